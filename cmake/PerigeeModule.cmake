# perigee_module(name USES modules... LIBRARIES libraries...)
#
# A folder as one static library of all its .cc files, and, with
# PERIGEE_TESTS, its *_test.cc files as one test program `name_test`.
# Subfolders listed in FOLDERS belong to it.

add_library(perigee_options INTERFACE)
target_compile_options(perigee_options INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(perigee_options INTERFACE -Wthread-safety)
endif()
target_compile_definitions(perigee_options INTERFACE
  $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
target_compile_options(perigee_options INTERFACE -fstack-protector-strong)
target_include_directories(perigee_options INTERFACE ${PROJECT_SOURCE_DIR}
  ${PROJECT_SOURCE_DIR}/pkcs11)
if(PERIGEE_SANITIZE)
  # Test programs (PERIGEE_TEST_CODE) need no fuzzer's instruments.
  string(REGEX REPLACE ",?fuzzer-no-link" "" always "${PERIGEE_SANITIZE}")
  target_compile_options(perigee_options INTERFACE
    -fsanitize=${always} -fno-sanitize-recover=all
    $<IF:$<CXX_COMPILER_ID:GNU>,-g1,-gline-tables-only>)
  if(PERIGEE_SANITIZE MATCHES fuzzer-no-link)
    target_compile_options(perigee_options INTERFACE
      $<$<NOT:$<BOOL:$<TARGET_PROPERTY:PERIGEE_TEST_CODE>>>:-fsanitize=fuzzer-no-link>)
  endif()
  target_link_options(perigee_options INTERFACE
    -fsanitize=${PERIGEE_SANITIZE})
endif()
if(PERIGEE_SANITIZE MATCHES thread)
  add_library(perigee_tsan_absl STATIC ${PROJECT_SOURCE_DIR}/cmake/tsan_absl.cc)
  target_compile_options(perigee_tsan_absl PRIVATE -fno-sanitize=thread)
  # Abseil's own libraries refer to the wrapped names too.
  set_target_properties(perigee_tsan_absl PROPERTIES
    CXX_VISIBILITY_PRESET default)
  foreach(name Mutex4LockEv Mutex6UnlockEv Mutex10ReaderLockEv
      Mutex12ReaderUnlockEv Mutex7TryLockEv)
    target_link_options(perigee_options INTERFACE
      -Wl,--wrap=_ZN4absl7debian35${name})
  endforeach()
  target_link_libraries(perigee_options INTERFACE
    $<LINK_ONLY:perigee_tsan_absl>)
endif()

function(perigee_module name)
  cmake_parse_arguments(ARG "" "" "USES;LIBRARIES;FOLDERS" ${ARGN})
  set(globs ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(folder ${ARG_FOLDERS})
    list(APPEND globs ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cc)
  endforeach()
  file(GLOB all CONFIGURE_DEPENDS ${globs})
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")

  list(TRANSFORM ARG_USES PREPEND perigee_ OUTPUT_VARIABLE uses)
  add_library(perigee_${name} STATIC ${sources})
  target_link_libraries(perigee_${name}
    PUBLIC perigee_options PKCS11Headers::PKCS11Headers
    PRIVATE ${uses} ${ARG_LIBRARIES})

  if(PERIGEE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE perigee_${name} ${uses}
      ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main)
    set_target_properties(${name}_test PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test-programs)
    add_test(NAME ${name} COMMAND ${name}_test
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT 600)
    # What a thread-sanitized build runs of it: the tests about threads.
    if(PERIGEE_SANITIZE MATCHES thread)
      add_test(NAME ${name}_threads COMMAND ${name}_test
        --gtest_filter=*Thread*:*AtOnce*:*Parallel*)
      set_tests_properties(${name}_threads PROPERTIES
        TIMEOUT 600 LABELS threads)
    endif()
  endif()
endfunction()

set(PERIGEE_ABSL
  absl::status absl::statusor absl::strings absl::str_format absl::span
  absl::synchronization absl::time absl::flat_hash_map absl::flat_hash_set
  absl::function_ref absl::cleanup absl::cord)
