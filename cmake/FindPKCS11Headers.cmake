# Finds the PKCS#11 headers (Debian: libnss3-dev, specification 3.0); headers
# only, nothing is linked. -DPKCS11_INCLUDE_DIR=<dir> takes the OASIS originals
# of 3.0 or newer instead. Result: PKCS11Headers::PKCS11Headers,
# PKCS11Headers_VERSION, PKCS11Headers_FLAVOUR (nss, oasis).
include(CheckCXXSourceCompiles)
include(FindPackageHandleStandardArgs)

if(PKCS11_INCLUDE_DIR)
  set(PKCS11Headers_FLAVOUR oasis)
  set(_p11_dirs ${PKCS11_INCLUDE_DIR})
  set(_p11_pre "#define CK_PTR *\n#define NULL_PTR nullptr\n\
#define CK_DECLARE_FUNCTION(r, n) r n\n\
#define CK_DECLARE_FUNCTION_POINTER(r, n) r (*n)\n\
#define CK_CALLBACK_FUNCTION(r, n) r (*n)\n")
else()
  set(PKCS11Headers_FLAVOUR nss)
  find_package(PkgConfig QUIET)
  pkg_check_modules(_p11_nss QUIET nss)
  set(_p11_dirs ${_p11_nss_INCLUDE_DIRS})
  set(_p11_pre "")
endif()

set(CMAKE_REQUIRED_INCLUDES ${_p11_dirs})
set(CMAKE_REQUIRED_QUIET ON)
foreach(_version 3.0 3.1 3.2)
  string(REPLACE "." ";" _parts ${_version})
  list(GET _parts 0 _major)
  list(GET _parts 1 _minor)
  string(REPLACE "." "_" _suffix ${_version})
  check_cxx_source_compiles("${_p11_pre}#include <pkcs11.h>
    static_assert(CRYPTOKI_VERSION_MAJOR == ${_major} &&
                  CRYPTOKI_VERSION_MINOR == ${_minor});
    int main() {}" PKCS11_HEADERS_ARE_${_suffix})
  if(PKCS11_HEADERS_ARE_${_suffix})
    set(PKCS11Headers_VERSION ${_version})
  endif()
endforeach()
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_QUIET)

find_package_handle_standard_args(PKCS11Headers
  REQUIRED_VARS _p11_dirs PKCS11Headers_VERSION
  VERSION_VAR PKCS11Headers_VERSION
  REASON_FAILURE_MESSAGE "install libnss3-dev")
if(PKCS11Headers_FOUND AND NOT TARGET PKCS11Headers::PKCS11Headers)
  add_library(PKCS11Headers::PKCS11Headers INTERFACE IMPORTED)
  target_include_directories(PKCS11Headers::PKCS11Headers SYSTEM INTERFACE
    ${_p11_dirs})
  string(TOUPPER ${PKCS11Headers_FLAVOUR} _flavour)
  target_compile_definitions(PKCS11Headers::PKCS11Headers INTERFACE
    P11_HEADERS_${_flavour}=1)
endif()
