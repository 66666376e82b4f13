# What `cmake --install` gives:
#   lib/libweir.so.0         the rooms base, stores, runtime and dsl; only weir_*
#                            is visible
#   include/weir/            the public headers
#   lib/pkgconfig/weir.pc    for `pkg-config weir`
#   lib/cmake/weir/          for `find_package(weir CONFIG)` and weir::weir
#   bin/weir                 the program, which needs none of the above
#   share/man, share/doc     manual pages, examples, licence
include(CMakePackageConfigHelpers)

set(WEIR_LIBRARY_ROOMS weir_base weir_stores weir_runtime weir_dsl)

# The library is made of the rooms' own objects, so that an object nobody inside
# calls is in it too. What the rooms link, other than rooms, it links.
function(weir_shared_library)
  set(objects)
  set(libraries)
  foreach(room IN LISTS WEIR_LIBRARY_ROOMS)
    list(APPEND objects $<TARGET_OBJECTS:${room}>)
    get_target_property(links ${room} INTERFACE_LINK_LIBRARIES)
    list(FILTER links EXCLUDE REGEX "weir_(base|stores|runtime|dsl)")
    list(APPEND libraries ${links})
  endforeach()
  list(REMOVE_DUPLICATES libraries)
  add_library(weir_library SHARED ${objects})
  target_link_libraries(weir_library PRIVATE ${libraries})
  set_target_properties(weir_library PROPERTIES
    OUTPUT_NAME weir EXPORT_NAME weir LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  if(NOT WEIR_SANITIZE) # a sanitizer's functions come with the program
    target_link_options(weir_library PRIVATE -Wl,-z,defs)
  endif()
  target_include_directories(weir_library INTERFACE
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()

# What weir.pc says of places. It finds the prefix from where it lies itself, for
# `cmake --install --prefix ELSEWHERE`; a folder that the user gave as absolute
# stays where it is.
macro(weir_pkg_config_paths)
  file(RELATIVE_PATH WEIR_PREFIX_FROM_PC
    "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
  string(REGEX REPLACE "/$" "" WEIR_PREFIX_FROM_PC "${WEIR_PREFIX_FROM_PC}")
  foreach(folder LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
      set(WEIR_PC_${folder} "${CMAKE_INSTALL_${folder}}")
    else()
      set(WEIR_PC_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
    endif()
  endforeach()
endmacro()

function(weir_install_library)
  set(package "${CMAKE_INSTALL_LIBDIR}/cmake/weir")
  install(TARGETS weir_library EXPORT weirTargets)
  install(EXPORT weirTargets NAMESPACE weir:: DESTINATION "${package}")
  write_basic_package_version_file("${CMAKE_BINARY_DIR}/weirConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
  file(WRITE "${CMAKE_BINARY_DIR}/weirConfig.cmake"
    "include(\"\${CMAKE_CURRENT_LIST_DIR}/weirTargets.cmake\")\n")
  install(FILES
    "${CMAKE_BINARY_DIR}/weirConfig.cmake"
    "${CMAKE_BINARY_DIR}/weirConfigVersion.cmake"
    DESTINATION "${package}")
  weir_pkg_config_paths()
  configure_file("${CMAKE_SOURCE_DIR}/cmake/weir.pc.in" "${CMAKE_BINARY_DIR}/weir.pc" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/weir.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/weir"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
endfunction()

function(weir_install_documents)
  foreach(section 1 5 7)
    file(GLOB pages CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/docs/man/*.${section}")
    install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
  endforeach()
  install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/examples" DESTINATION "${CMAKE_INSTALL_DOCDIR}"
    PATTERN CMakeLists.txt EXCLUDE)
endfunction()

if(TARGET weir_stores AND TARGET weir_runtime AND TARGET weir_dsl)
  weir_shared_library()
  weir_install_library()
endif()
if(TARGET weir)
  install(TARGETS weir)
endif()
weir_install_documents()

# An installed tree is tried as a user would: pkg-config, CMake, symbols.
if(WEIR_TESTS AND TARGET weir_library AND NOT WEIR_SANITIZE AND NOT WEIR_FUZZ)
  add_test(NAME install.tree
    COMMAND ${Python3_EXECUTABLE} "${CMAKE_SOURCE_DIR}/tests/install/test_install.py"
      --build "${CMAKE_BINARY_DIR}" --cc "${CMAKE_C_COMPILER}" --cmake "${CMAKE_COMMAND}")
  set_tests_properties(install.tree PROPERTIES TIMEOUT 300 LABELS flow)
endif()
