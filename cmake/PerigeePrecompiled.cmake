# The headers that nearly every file includes, parsed once: the sanitizer builds
# of CI take half as long. Not for the normal build, where each file must
# include what it uses.
function(perigee_precompile name)
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
  target_precompile_headers(${name} PRIVATE
    <gmock/gmock.h> <gtest/gtest.h> <array> <cstdint> <functional> <map>
    <memory> <optional> <span> <string> <string_view> <thread> <vector>
    <absl/container/flat_hash_map.h> <absl/status/statusor.h>
    <absl/strings/str_cat.h> <absl/strings/str_format.h>
    <absl/synchronization/mutex.h>)
  target_link_libraries(${name} PRIVATE perigee_options ${PERIGEE_ABSL}
    GTest::gmock GTest::gtest PkgConfig::SQLITE OpenSSL::Crypto)
endfunction()

function(perigee_use_precompiled target)
  # The last is compiled in another way.
  if(target MATCHES "^(perigee_precompiled.*|perigee_tsan_absl)$")
    return()
  endif()
  get_target_property(test_code ${target} PERIGEE_TEST_CODE)
  if(test_code)
    target_precompile_headers(${target} REUSE_FROM perigee_precompiled_tests)
  else()
    target_precompile_headers(${target} REUSE_FROM perigee_precompiled)
  endif()
endfunction()

perigee_precompile(perigee_precompiled)
perigee_precompile(perigee_precompiled_tests)
set_target_properties(perigee_precompiled_tests PROPERTIES PERIGEE_TEST_CODE ON)
perigee_for_each_target(perigee_use_precompiled)
