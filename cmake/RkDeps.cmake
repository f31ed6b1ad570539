# What the library stands on. scripts/setup.sh installs all of it; where the system's oneDNN is
# older than 3 it unpacks one under build/deps of the source tree, whatever the build folder is.

list(PREPEND CMAKE_PREFIX_PATH ${PROJECT_SOURCE_DIR}/build/deps/onednn)

find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(Threads REQUIRED)
find_package(dnnl 3 CONFIG REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
find_program(PROTOC_C protoc-c REQUIRED)
find_path(ONNX_PROTO_DIR NAMES onnx.proto PATH_SUFFIXES onnx REQUIRED)

add_library(rk_third_party INTERFACE)
target_link_libraries(rk_third_party INTERFACE
    DNNL::dnnl PkgConfig::JANSSON PkgConfig::UTF8PROC PkgConfig::ZIP PkgConfig::PROTOBUF_C
    OpenMP::OpenMP_C Threads::Threads m)

# The ONNX messages: generated here, so they fit the protobuf-c that is installed.
set(RK_GENERATED ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${RK_GENERATED})
add_custom_command(
    OUTPUT ${RK_GENERATED}/onnx.pb-c.c ${RK_GENERATED}/onnx.pb-c.h
    COMMAND ${PROTOC_C} --c_out=${RK_GENERATED} -I${ONNX_PROTO_DIR} onnx.proto
    DEPENDS ${ONNX_PROTO_DIR}/onnx.proto
    COMMENT "Generating onnx.pb-c.c"
    VERBATIM)
add_library(rk_onnxpb_headers INTERFACE)
target_include_directories(rk_onnxpb_headers SYSTEM INTERFACE ${RK_GENERATED})
add_library(rk_onnxpb STATIC ${RK_GENERATED}/onnx.pb-c.c)
set_target_properties(rk_onnxpb PROPERTIES
    POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_compile_options(rk_onnxpb PRIVATE -w)
target_link_libraries(rk_onnxpb PUBLIC rk_onnxpb_headers PkgConfig::PROTOBUF_C)
