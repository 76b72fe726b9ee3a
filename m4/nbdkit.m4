# RES_CHECK_NBDKIT_VERSIONS
# -------------------------
# A filter is loaded only by the nbdkit whose headers it was compiled with: the
# server compares the version strings and refuses every other.  So a difference
# between the headers and the server here means modules that cannot be loaded
# here, and that is better said now than by nbdkit later.
AC_DEFUN([RES_CHECK_NBDKIT_VERSIONS], [
    AC_ARG_VAR([NBDKIT], [the nbdkit server that the modules are for])
    AC_PATH_PROG([NBDKIT], [nbdkit], [no])
    NBDKIT_HEADERS_VERSION=`$PKG_CONFIG --modversion nbdkit`
    AS_IF([test "x$NBDKIT" = xno], [
        NBDKIT_SERVER_VERSION=none
        AC_MSG_WARN([no nbdkit in PATH: the modules are built for nbdkit $NBDKIT_HEADERS_VERSION, their tests are skipped])
    ], [
        AC_MSG_CHECKING([whether nbdkit's headers and server are of one version])
        NBDKIT_SERVER_VERSION=`$NBDKIT --dump-config | sed -n 's/^version=//p'`
        AS_IF([test "x$NBDKIT_SERVER_VERSION" = "x$NBDKIT_HEADERS_VERSION"], [
            AC_MSG_RESULT([yes, $NBDKIT_SERVER_VERSION])
        ], [
            AC_MSG_RESULT([no])
            AC_MSG_ERROR([nbdkit's headers are of version $NBDKIT_HEADERS_VERSION (pkg-config --modversion nbdkit), the server is of version $NBDKIT_SERVER_VERSION ($NBDKIT --dump-config).
A filter built with the headers of one version is refused by every other.
Install the same version of both (Debian: apt-get install nbdkit nbdkit-plugin-dev), or name the server that belongs to the headers with NBDKIT=/path/to/nbdkit, or the headers that belong to the server with PKG_CONFIG_PATH.])
        ])
    ])
    AC_SUBST([NBDKIT_SERVER_VERSION])
])

# RES_MODULE_DIR(KIND)
# --------------------
# KINDdir is where nbdkit looks for its filters or plugins, unless
# --with-KINDdir says otherwise.
AC_DEFUN([RES_MODULE_DIR], [
    AC_ARG_WITH([$1dir],
        [AS_HELP_STRING([--with-$1dir=DIR],
            [install the $1 modules in DIR (what nbdkit.pc says)])],
        [$1dir=$withval],
        [PKG_CHECK_VAR([NBDKIT_PC_$1dir], [nbdkit], [$1dir], [],
            [AC_MSG_ERROR([nbdkit.pc names no $1dir; say --with-$1dir=DIR])])
         $1dir=$NBDKIT_PC_$1dir])
    AC_SUBST([$1dir])
])
