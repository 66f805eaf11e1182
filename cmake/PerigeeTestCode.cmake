# Test programs compile in two thirds of the time without -O2, and what they
# compute themselves is nothing to speak of. The libraries that they test stay
# as they are.
function(perigee_compile_tests_faster target)
  get_target_property(kind ${target} TYPE)
  get_target_property(linked ${target} LINK_LIBRARIES)
  if(kind STREQUAL "EXECUTABLE" AND linked MATCHES "GTest::")
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
endfunction()
perigee_for_each_target(perigee_compile_tests_faster)
