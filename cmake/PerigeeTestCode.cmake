# Test programs compile in two thirds of the time without -O2, and what they
# compute themselves is nothing to speak of. The libraries that they test stay
# as they are.
function(perigee_compile_tests_faster directory)
  get_property(directories DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(one IN LISTS directories)
    perigee_compile_tests_faster(${one})
  endforeach()
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(one IN LISTS targets)
    get_target_property(kind ${one} TYPE)
    get_target_property(linked ${one} LINK_LIBRARIES)
    if(kind STREQUAL "EXECUTABLE" AND linked MATCHES "GTest::")
      target_compile_options(${one} PRIVATE $<$<CONFIG:Release>:-O1>)
    endif()
  endforeach()
endfunction()
perigee_compile_tests_faster(${PROJECT_SOURCE_DIR})
