# Where Debian expects the parts, and the .deb by CPack.
# Debian's multiarch directory also when the prefix is given later (CPack).
if(EXISTS /etc/debian_version AND CMAKE_LIBRARY_ARCHITECTURE)
  set(library_directory lib/${CMAKE_LIBRARY_ARCHITECTURE})
else()
  set(library_directory ${CMAKE_INSTALL_LIBDIR})
endif()
set(PERIGEE_MODULE_DIR ${library_directory}/pkcs11 CACHE STRING
  "Where the PKCS#11 module goes")
install(TARGETS perigee_library LIBRARY DESTINATION ${PERIGEE_MODULE_DIR})
install(TARGETS perigee_shell RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS perigee_backup_hsm perigee_firmware_image
  RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/pkcs11/perigee
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

install(FILES ${PROJECT_SOURCE_DIR}/cmake/perigee.module
  DESTINATION ${CMAKE_INSTALL_DATADIR}/p11-kit/modules)
# Who sits at the machine, and the group plugdev, may open a Backup HSM.
install(FILES ${PROJECT_SOURCE_DIR}/cmake/70-perigee-backup-hsm.rules
  DESTINATION lib/udev/rules.d)
# The Backup HSM as the USB device that a small board is: docs/GADGET.md.
install(PROGRAMS ${PROJECT_SOURCE_DIR}/tools/gadget/perigee-gadget-setup
  DESTINATION ${CMAKE_INSTALL_SBINDIR})
# The package's prefix is CPack's (below), which is not known when this is made.
set(PERIGEE_UNIT_SBINDIR /usr/sbin CACHE STRING
  "Where the programs are that systemd units name")
configure_file(${PROJECT_SOURCE_DIR}/packaging/perigee-backup-hsm-gadget.service
  ${PROJECT_BINARY_DIR}/packaging/perigee-backup-hsm-gadget.service @ONLY)
install(FILES
  ${PROJECT_BINARY_DIR}/packaging/perigee-backup-hsm-gadget.service
  DESTINATION lib/systemd/system)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/perigee-backup-hsm.sysusers.conf
  DESTINATION lib/sysusers.d RENAME perigee-backup-hsm.conf)
install(FILES ${PROJECT_BINARY_DIR}/perigee.1
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/perigee.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
  RENAME perigee)
install(FILES docs/GADGET.md docs/SHELL.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR}
  USE_SOURCE_PERMISSIONS
  PATTERN CMakeLists.txt EXCLUDE)
install(FILES README.md LICENSE CHANGELOG.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME perigee)
set(CPACK_PACKAGE_VENDOR "The Perigee authors")
set(CPACK_PACKAGE_CONTACT "The Perigee authors <perigee@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_STRIP_FILES ON)
include(CPack)
