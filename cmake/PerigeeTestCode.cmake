# What test programs compute themselves is nothing to speak of, so they are
# compiled fast: without optimising, and without the fuzzers' instruments. The
# libraries that they test stay as they are.
function(perigee_compile_tests_faster target)
  get_target_property(kind ${target} TYPE)
  get_target_property(linked ${target} LINK_LIBRARIES)
  if(kind STREQUAL "EXECUTABLE" AND linked MATCHES "GTest::")
    set_target_properties(${target} PROPERTIES PERIGEE_TEST_CODE ON)
    target_compile_options(${target} PRIVATE
      $<$<CONFIG:Release>:-O0 -U_FORTIFY_SOURCE>)
  endif()
endfunction()
perigee_for_each_target(perigee_compile_tests_faster)
