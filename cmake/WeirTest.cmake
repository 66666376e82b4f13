# weir_add_test(NAME LABELS TIMEOUT COMMAND...)
#   registers a ctest. Every test comes by this way, so that each has the
#   environment that a sanitizer asks for, and ThreadSanitizer's time.
function(weir_add_test name labels timeout)
  if(WEIR_SANITIZE MATCHES "thread")
    math(EXPR timeout "${timeout} * 5") # ThreadSanitizer is that slow
  endif()
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${timeout} LABELS "${labels}" ENVIRONMENT "${WEIR_TEST_ENVIRONMENT}")
endfunction()

# weir_test(ROOM NAME [FAULTS] [LINKS ...] [SOURCES ...] [LABELS ...] [TIMEOUT S])
#   builds tests/ROOM/test_NAME.c as a cmocka program and registers it as the
#   ctest ROOM.NAME. It links the room's library. With FAULTS its allocations can
#   be made to fail: tests/harness/faults.h.
function(weir_test room name)
  cmake_parse_arguments(T "FAULTS" "TIMEOUT" "LINKS;SOURCES;LABELS" ${ARGN})
  set(target test_${room}_${name})
  add_executable(${target} "${CMAKE_SOURCE_DIR}/tests/${room}/test_${name}.c" ${T_SOURCES})
  target_link_libraries(${target} PRIVATE weir_${room} ${T_LINKS} PkgConfig::CMOCKA)
  if(T_FAULTS)
    target_sources(${target} PRIVATE "${CMAKE_SOURCE_DIR}/tests/harness/faults.c")
    target_link_options(${target} PRIVATE
      -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  weir_add_test(${room}.${name} "unit;${T_LABELS}" ${T_TIMEOUT} ${target})
endfunction()

# weir_fuzzer(ROOM NAME)
#   tests/fuzz/fuzz_NAME.c has one LLVMFuzzerTestOneInput. With WEIR_FUZZ it is
#   a libFuzzer program; without, it is linked with a small replay main and runs
#   the corpus in tests/fuzz/corpus/NAME plus seeded random mutations of it as
#   the ctest fuzz.NAME.
function(weir_fuzzer room name)
  add_executable(fuzz_${name} "${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c")
  target_link_libraries(fuzz_${name} PRIVATE weir_${room})
  if(WEIR_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c")
    weir_add_test(fuzz.${name} fuzz 120 fuzz_${name}
      "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
  endif()
endfunction()
