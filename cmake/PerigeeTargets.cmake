# perigee_for_each_target(function)
#
# Calls the function with each library and program of this project that is
# compiled from sources of ours.
function(perigee_for_each_target function)
  perigee_for_each_target_in(${PROJECT_SOURCE_DIR} ${function})
endfunction()

function(perigee_for_each_target_in directory function)
  get_property(directories DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(one IN LISTS directories)
    perigee_for_each_target_in(${one} ${function})
  endforeach()
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(one IN LISTS targets)
    get_target_property(kind ${one} TYPE)
    get_target_property(sources ${one} SOURCES)
    if(kind MATCHES "LIBRARY|EXECUTABLE" AND sources MATCHES "\\.cc")
      cmake_language(CALL ${function} ${one})
    endif()
  endforeach()
endfunction()
