# The libraries of the system, each found once and named PkgConfig::<NAME>.
# A missing one stops the configuration with the Debian package to install.
find_package(PkgConfig REQUIRED)

function(weir_library name module package)
  pkg_check_modules(${name} IMPORTED_TARGET GLOBAL QUIET ${module})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR
      "weir needs ${module}, which pkg-config does not find. "
      "On Debian 12: apt-get install ${package}")
  endif()
endfunction()

weir_library(RDKAFKA rdkafka librdkafka-dev)
weir_library(ROCKSDB rocksdb librocksdb-dev)
weir_library(JANSSON jansson libjansson-dev)
weir_library(LUA lua5.4 liblua5.4-dev)
weir_library(MICROHTTPD libmicrohttpd libmicrohttpd-dev)
weir_library(ZSTD libzstd libzstd-dev)
weir_library(LZ4 liblz4 liblz4-dev)
weir_library(ZLIB zlib zlib1g-dev)
weir_library(XXHASH libxxhash libxxhash-dev)
weir_library(CURL libcurl libcurl4-openssl-dev)
weir_library(JEMALLOC jemalloc libjemalloc-dev)

# snappy has no pkg-config file in Debian 12.
find_path(SNAPPY_INCLUDE_DIR snappy-c.h)
find_library(SNAPPY_LIBRARY snappy)
if(NOT SNAPPY_INCLUDE_DIR OR NOT SNAPPY_LIBRARY)
  message(FATAL_ERROR
    "weir needs snappy. On Debian 12: apt-get install libsnappy-dev")
endif()
add_library(weir_snappy INTERFACE)
target_include_directories(weir_snappy SYSTEM INTERFACE "${SNAPPY_INCLUDE_DIR}")
target_link_libraries(weir_snappy INTERFACE "${SNAPPY_LIBRARY}")

if(WEIR_TESTS)
  weir_library(CMOCKA cmocka libcmocka-dev)
endif()
