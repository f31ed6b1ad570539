# One library per folder of src/: rk_<name>, made of *.c and of its rooms' *.c; in compute/ the
# rooms hold one instruction level each. An empty folder is an empty library, so that the tree
# configures while it grows.

set(RK_AVX2 -mavx2 -mfma -mf16c)
set(RK_AVX512 -mavx512f -mavx512bw -mavx512vl -mavx512dq ${RK_AVX2} -mprefer-vector-width=512)
set(RK_LEVEL_FLAGS_avx2 ${RK_AVX2})
set(RK_LEVEL_FLAGS_avx512 ${RK_AVX512})
set(RK_LEVEL_FLAGS_vnni ${RK_AVX512} -mavx512vnni)
set(RK_LEVEL_FLAGS_bf16 ${RK_AVX512} -mavx512bf16)
set(RK_LEVEL_FLAGS_amx ${RK_AVX512} -mavx512vnni -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16)
set(RK_LEVEL_FLAGS_fp16 ${RK_AVX512} -mavx512fp16)

# The levels that this compiler can produce for this processor family: RK_LEVELS.
function(rk_find_levels)
    set(levels)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        foreach(level avx2 avx512 vnni bf16 amx fp16)
            string(REPLACE ";" " " flags "${RK_LEVEL_FLAGS_${level}}")
            check_c_compiler_flag("${flags}" RK_CC_HAS_${level})
            if(RK_CC_HAS_${level})
                list(APPEND levels ${level})
            endif()
        endforeach()
    endif()
    set(RK_LEVELS ${levels} PARENT_SCOPE)
endfunction()

# Flags and include paths of every object of the library.
function(rk_common target)
    set_target_properties(${target} PROPERTIES
        POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_include_directories(${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
    target_compile_options(${target} PRIVATE ${RK_WARNINGS})
    target_link_libraries(${target} PRIVATE rk_third_party)
endfunction()

# Objects of one level: never -ffast-math or -march=native (masks hold -infinity, NaN must stay
# visible). Only simd/ may contract a*b+c: the hand kernels say themselves where they fuse.
function(rk_level_objects target level)
    add_library(${target} OBJECT ${ARGN})
    rk_common(${target})
    target_compile_options(${target} PRIVATE
        $<IF:$<BOOL:${RK_SANITIZE}>,-O1,-O3> -fno-math-errno -fno-trapping-math -ffp-contract=off
        ${RK_LEVEL_FLAGS_${level}})
    target_compile_definitions(${target} PRIVATE RK_LEVEL=${level})
    set_property(GLOBAL APPEND PROPERTY RK_OBJECTS $<TARGET_OBJECTS:${target}>)
    set_property(GLOBAL APPEND PROPERTY RK_LEVEL_OBJECTS_compute $<TARGET_OBJECTS:${target}>)
endfunction()

function(rk_compute_levels)
    set(dir ${PROJECT_SOURCE_DIR}/src/compute)
    file(GLOB simd CONFIGURE_DEPENDS ${dir}/simd/*.c)
    # Inference gives the same bits at every level: there a*b+c is fused where the source says so.
    file(GLOB exact CONFIGURE_DEPENDS ${dir}/simd/infer_*.c ${dir}/ref/*.c
        ${dir}/simd/train_codes.c)
    set_source_files_properties(${exact} PROPERTIES COMPILE_OPTIONS -ffp-contract=off)
    # Its loops over a panel are a good part of the time that a model takes to open.
    set_source_files_properties(${dir}/packed.c PROPERTIES
        COMPILE_OPTIONS $<IF:$<BOOL:${RK_SANITIZE}>,-O1,-O3>)
    if(simd)
        foreach(level base avx2 avx512)
            if(level STREQUAL base OR level IN_LIST RK_LEVELS)
                rk_level_objects(rk_simd_${level} ${level} ${simd})
                target_compile_options(rk_simd_${level} PRIVATE -ffp-contract=fast)
            endif()
        endforeach()
    endif()
    foreach(level avx2 avx512 vnni bf16 amx fp16)
        file(GLOB own CONFIGURE_DEPENDS ${dir}/${level}/*.c)
        if(own AND level IN_LIST RK_LEVELS)
            rk_level_objects(rk_kernels_${level} ${level} ${own})
        endif()
    endforeach()
endfunction()

# rk_folder(name lower...): the library of src/name over the folders of lower rank.
function(rk_folder name)
    set(rooms "*")    # in compute/ they are levels; elsewhere a part each of the same library
    if(name STREQUAL compute)
        set(rooms ref)
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.c
        ${PROJECT_SOURCE_DIR}/src/${name}/${rooms}/*.c)
    if(name STREQUAL compute)
        rk_compute_levels()
        get_property(level_objects GLOBAL PROPERTY RK_LEVEL_OBJECTS_compute)
    endif()
    set(lower)
    foreach(other ${ARGN})
        list(APPEND lower rk_${other})
    endforeach()
    if(name STREQUAL onnx)
        list(APPEND lower rk_onnxpb)
    endif()
    if(NOT sources AND NOT level_objects)
        add_library(rk_${name} INTERFACE)
        target_link_libraries(rk_${name} INTERFACE ${lower} rk_third_party)
        return()
    endif()
    if(sources)
        add_library(rk_${name}_objects OBJECT ${sources})
        rk_common(rk_${name}_objects)
        if(name STREQUAL compute)
            foreach(level ${RK_LEVELS})
                string(TOUPPER ${level} upper)
                target_compile_definitions(rk_${name}_objects PRIVATE RK_HAVE_${upper}=1)
            endforeach()
        endif()
        # For its include path and its generated header, which must exist first.
        if(TARGET rk_onnxpb)
            target_link_libraries(rk_${name}_objects PRIVATE rk_onnxpb_headers)
            add_dependencies(rk_${name}_objects rk_onnxpb)
        endif()
        set(objects $<TARGET_OBJECTS:rk_${name}_objects>)
        set_property(GLOBAL APPEND PROPERTY RK_OBJECTS ${objects})
    endif()
    add_library(rk_${name} STATIC ${objects} ${level_objects})
    set_target_properties(rk_${name} PROPERTIES LINKER_LANGUAGE C)
    target_include_directories(rk_${name} PUBLIC
        ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(rk_${name} PUBLIC ${lower} rk_third_party)
endfunction()
