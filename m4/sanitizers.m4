# RES_ENABLE_SANITIZERS
# ---------------------
# --enable-sanitizers[=address,undefined|thread|...]
#
# The nbdkit server is not compiled with a sanitizer, our modules are; the
# runtimes therefore have to be in the process before the modules come, by
# LD_PRELOAD.  SANITIZER_PRELOAD is that list; tests/bin/nbdkit uses it.
AC_DEFUN([RES_ENABLE_SANITIZERS], [
    AC_ARG_ENABLE([sanitizers],
        [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
            [compile with sanitizers: address,undefined (default) or thread])],
        [], [enable_sanitizers=no])
    AS_IF([test "x$enable_sanitizers" = xyes], [enable_sanitizers=address,undefined])
    SANITIZER_CXXFLAGS=
    SANITIZER_PRELOAD=
    AS_IF([test "x$enable_sanitizers" != xno], [
        SANITIZER_CXXFLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
        AS_IF([$CXX --version | grep -q clang], [res_clang=yes], [res_clang=no])
        dnl With a sanitizer gcc warns of what is not so, in its own <regex> even.
        AS_IF([test $res_clang = no],
            [SANITIZER_CXXFLAGS="$SANITIZER_CXXFLAGS -Wno-maybe-uninitialized"])
        for res_name in `echo "$enable_sanitizers" | tr ',' ' '`; do
            AS_CASE([$res_name],
                [address], [res_gcc=libasan.so res_llvm=asan],
                [undefined], [res_gcc=libubsan.so res_llvm=ubsan_standalone],
                [thread], [res_gcc=libtsan.so res_llvm=tsan],
                [AC_MSG_ERROR([--enable-sanitizers=$enable_sanitizers: "$res_name" is none of address, undefined, thread])])
            AS_IF([test $res_clang = yes],
                [res_runtime=`$CXX -print-file-name=libclang_rt.$res_llvm-$host_cpu.so`],
                [res_runtime=`$CXX -print-file-name=$res_gcc`])
            # clang's runtime for addresses has the one for undefined behaviour in it.
            AS_CASE([$res_clang,$res_name,$enable_sanitizers],
                [yes,undefined,*address*], [continue])
            AS_IF([test -f "$res_runtime"], [],
                [AC_MSG_ERROR([no shared runtime of the $res_name sanitizer for $CXX ("$res_runtime" is no file); modules loaded by nbdkit need it.  Try CXX=g++])])
            SANITIZER_PRELOAD="${SANITIZER_PRELOAD:+$SANITIZER_PRELOAD }$res_runtime"
        done
        AC_MSG_CHECKING([whether programs can be linked with $SANITIZER_CXXFLAGS])
        res_saved_CXXFLAGS=$CXXFLAGS
        CXXFLAGS="$CXXFLAGS $SANITIZER_CXXFLAGS"
        AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
            [AC_MSG_RESULT([no])
             AC_MSG_ERROR([--enable-sanitizers=$enable_sanitizers: $CXX cannot link with it])])
        CXXFLAGS=$res_saved_CXXFLAGS
    ])
    AC_SUBST([SANITIZER_CXXFLAGS])
    AC_SUBST([SANITIZER_PRELOAD])
    AC_SUBST([enable_sanitizers])
])
