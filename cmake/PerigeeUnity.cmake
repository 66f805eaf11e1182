# Files compiled in groups, which parse their headers once: a cold build takes a
# third of the time. For whoever builds once; while files are being changed,
# one at a time is faster. cmake/unity_groups.py says what may stand together.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

function(perigee_compile_in_groups target)
  get_target_property(sources ${target} SOURCES)
  get_target_property(directory ${target} SOURCE_DIR)
  list(FILTER sources INCLUDE REGEX "\\.cc$")
  list(LENGTH sources count)
  # Smaller ones share files with each other.
  if(count LESS 6)
    return()
  endif()
  list(TRANSFORM sources PREPEND "${directory}/" REGEX "^[^/]")
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/cmake/unity_groups.py
      ${PROJECT_SOURCE_DIR} ${sources}
    OUTPUT_VARIABLE groups OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "|" groups "${groups}")
  string(REPLACE "\n" ";" groups "${groups}")
  set(number 0)
  foreach(group IN LISTS groups)
    string(REPLACE "|" ";" files "${group}")
    set_source_files_properties(${files} TARGET_DIRECTORY ${target}
      PROPERTIES UNITY_GROUP ${target}_${number})
    math(EXPR number "${number} + 1")
  endforeach()
  set_target_properties(${target} PROPERTIES
    UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()

perigee_for_each_target(perigee_compile_in_groups)
