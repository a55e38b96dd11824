# The flags every target shares, and one function per kind of target.
find_package(Threads REQUIRED)

add_library(gptoss_flags INTERFACE)
target_include_directories(gptoss_flags INTERFACE "${PROJECT_SOURCE_DIR}/native" "${PROJECT_SOURCE_DIR}/native/include")
target_compile_options(gptoss_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow
  # Designated initialisers leave members at their defaults on purpose.
  -Wno-missing-field-initializers
  # gcc 12 sees overlapping copies in plain string concatenation (its bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  # One rounding per written operation, on every compiler: the reference must not depend on fused contractions.
  -ffp-contract=off
  "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
target_link_libraries(gptoss_flags INTERFACE Threads::Threads)
if(GPTOSS_SANITIZE)
  target_compile_options(gptoss_flags INTERFACE -fsanitize=${GPTOSS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(gptoss_flags INTERFACE -fsanitize=${GPTOSS_SANITIZE})
endif()

# gptoss_library(NAME SRCS file... DEPS folder...): one folder of native/ = one target with declared dependencies.
function(gptoss_library name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_library(gptoss_${name} STATIC ${arg_SRCS})
  target_link_libraries(gptoss_${name} PUBLIC gptoss_flags)
  foreach(dep IN LISTS arg_DEPS)
    target_link_libraries(gptoss_${name} PUBLIC gptoss_${dep})
  endforeach()
endfunction()
