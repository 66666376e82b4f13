# Language, warnings and sanitizers, for every target of the project.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(WEIR_TESTS "Build the tests" ON)
option(WEIR_WERROR "Treat warnings as errors (never on for users)" OFF)
option(WEIR_FUZZ "Build the libFuzzer programs (needs clang)" OFF)
set(WEIR_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_C_FLAGS_DEBUG "-Og -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

find_program(WEIR_CCACHE ccache)
if(WEIR_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${WEIR_CCACHE}")
endif()

add_library(weir_flags INTERFACE)
target_include_directories(weir_flags INTERFACE
  "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/include" "${CMAKE_BINARY_DIR}")
target_compile_definitions(weir_flags INTERFACE
  _GNU_SOURCE "WEIR_VERSION_STRING=\"${PROJECT_VERSION}\"")
# An event without fields logs with an empty format: no reason to warn.
target_compile_options(weir_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef
  -Wvla -Wformat=2 -Wcast-align -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wwrite-strings -Wdouble-promotion -Wswitch-enum
  -Wno-format-zero-length
  -fno-strict-aliasing -fno-omit-frame-pointer)
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
  # librdkafka's macros for rd_kafka_producev() are made of them.
  target_compile_options(weir_flags INTERFACE -Wno-gnu-statement-expression)
endif()
# snprintf that cuts a text short is meant; what gcc guesses of it depends on the
# optimisation.
include(CheckCCompilerFlag)
check_c_compiler_flag(-Wformat-truncation WEIR_HAS_FORMAT_TRUNCATION)
if(WEIR_HAS_FORMAT_TRUNCATION)
  target_compile_options(weir_flags INTERFACE -Wno-format-truncation)
endif()
if(WEIR_WERROR)
  target_compile_options(weir_flags INTERFACE -Werror)
endif()
if(WEIR_SANITIZE)
  target_compile_options(weir_flags INTERFACE
    -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE})
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc's flow analysis is wrong about instrumented code; its manual says so.
    target_compile_options(weir_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(WEIR_FUZZ)
  target_compile_options(weir_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
find_package(Threads REQUIRED)
target_link_libraries(weir_flags INTERFACE Threads::Threads)

# ThreadSanitizer does not know the C11 threads that librdkafka is built with:
# every program gets ones made of pthreads. See tests/harness/c11_threads.c.
if(WEIR_SANITIZE MATCHES "thread")
  add_library(weir_c11_threads OBJECT "${CMAKE_SOURCE_DIR}/tests/harness/c11_threads.c")
  target_compile_options(weir_c11_threads PRIVATE -fsanitize=${WEIR_SANITIZE})
  target_compile_definitions(weir_c11_threads PRIVATE _GNU_SOURCE)
  target_link_libraries(weir_flags INTERFACE $<TARGET_OBJECTS:weir_c11_threads>)
  list(APPEND WEIR_TEST_ENVIRONMENT
    "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/harness/tsan.supp:die_after_fork=0")
elseif(WEIR_SANITIZE)
  list(APPEND WEIR_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1")
endif()

# weir_room(NAME SOURCES... ) makes the static library of a room.
#   weir_room(stores SOURCES rocks.c memory.c LINKS weir_base PkgConfig::ROCKSDB)
function(weir_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINKS" ${ARGN})
  add_library(weir_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(weir_${name} PUBLIC weir_flags ${ROOM_LINKS})
endfunction()
