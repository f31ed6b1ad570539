# cmake -DPROGRAM=ringkas -DOUT=DIR -P RkShare.cmake: man pages and completion, as the program
# itself prints them; OUT gets the layout of PREFIX/share.
function(print file)
    execute_process(COMMAND ${PROGRAM} ${ARGN} OUTPUT_FILE ${OUT}/${file} RESULT_VARIABLE code)
    if(code)
        message(FATAL_ERROR "${PROGRAM} ${ARGN}: exit ${code}")
    endif()
endfunction()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/man/man1 ${OUT}/bash-completion/completions
    ${OUT}/zsh/site-functions ${OUT}/fish/vendor_completions.d)
print(man/man1/ringkas.1 --man)
execute_process(COMMAND ${PROGRAM} --help OUTPUT_VARIABLE help)
string(REGEX REPLACE ".*\nCommands(\n.*)\n\nOptions\n.*" "\\1" commands "${help}")
string(REGEX MATCHALL "\n  [a-z]+" commands "${commands}")
foreach(command ${commands})
    string(STRIP "${command}" command)
    print(man/man1/ringkas-${command}.1 --man ${command})
endforeach()
print(bash-completion/completions/ringkas --completion bash)
print(zsh/site-functions/_ringkas --completion zsh)
print(fish/vendor_completions.d/ringkas.fish --completion fish)
