# The headers that nearly every file includes, parsed once: the sanitizer builds
# of CI take half as long. Not for the normal build, where each file must
# include what it uses.
add_library(perigee_precompiled OBJECT
  ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
target_precompile_headers(perigee_precompiled PRIVATE
  <gmock/gmock.h> <gtest/gtest.h> <array> <cstdint> <functional> <map>
  <memory> <optional> <span> <string> <string_view> <thread> <vector>
  <absl/container/flat_hash_map.h> <absl/status/statusor.h>
  <absl/strings/str_cat.h> <absl/strings/str_format.h>
  <absl/synchronization/mutex.h>)
target_link_libraries(perigee_precompiled PRIVATE perigee_options
  ${PERIGEE_ABSL} GTest::gmock GTest::gtest PkgConfig::SQLITE OpenSSL::Crypto)

function(perigee_use_precompiled directory)
  get_property(directories DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(one IN LISTS directories)
    perigee_use_precompiled(${one})
  endforeach()
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  # The second is compiled in another way.
  list(REMOVE_ITEM targets perigee_precompiled perigee_tsan_absl)
  foreach(one IN LISTS targets)
    get_target_property(kind ${one} TYPE)
    get_target_property(sources ${one} SOURCES)
    if(kind MATCHES "LIBRARY|EXECUTABLE" AND sources MATCHES "\\.cc")
      target_precompile_headers(${one} REUSE_FROM perigee_precompiled)
    endif()
  endforeach()
endfunction()
perigee_use_precompiled(${PROJECT_SOURCE_DIR})
