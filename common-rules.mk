# SPDX-License-Identifier: BSD-3-Clause
# What every folder's Makefile.am includes.

# config.h comes before every source, so none can forget it: it makes nbdkit's
# headers check the format strings, see configure.ac.
AM_CPPFLAGS = \
	-include $(top_builddir)/config.h \
	-I$(top_srcdir) \
	-I$(top_builddir) \
	$(NBDKIT_CFLAGS) \
	$(LIBNBD_CFLAGS) \
	$(FMT_CFLAGS) \
	$(XXHASH_CFLAGS) \
	$(JSON_CFLAGS) \
	$(CLI11_CFLAGS) \
	$(NULL)

AM_CXXFLAGS = \
	$(WARNING_CXXFLAGS) \
	-fvisibility=hidden \
	-pthread \
	$(SANITIZER_CXXFLAGS) \
	$(COVERAGE_CXXFLAGS) \
	$(NULL)

AM_LDFLAGS = -pthread $(SANITIZER_CXXFLAGS) $(COVERAGE_CXXFLAGS)

# How a module is linked.
#
# nodelete: nbdkit closes modules at exit while connection threads may still be
# in the destructors of their thread-local objects.
# The version script: modules are loaded RTLD_GLOBAL, and without it weak
# symbols of the C++ library leak out of one into another.
# Never -no-undefined or -z defs: nbdkit_error and the like come from the server.
module_ldflags = $(AM_LDFLAGS) -module -avoid-version -shared -Wl,-z,nodelete
filter_ldflags = $(module_ldflags) \
	-Wl,--version-script=$(top_srcdir)/common/nbdkit/filter.syms
plugin_ldflags = $(module_ldflags) \
	-Wl,--version-script=$(top_srcdir)/common/nbdkit/plugin.syms

# The convenience libraries, users before used.
common_replay = $(top_builddir)/common/libreplay.la
common_nbdkit = $(top_builddir)/common/libnbdkit-shim.la
common_tools = $(top_builddir)/tools/common/libtools.la
common_crash = $(top_builddir)/tools/nbdcrash/libcrash.la
common_libs = \
	$(top_builddir)/common/libcommon.la \
	$(LIBNBD_LIBS) \
	$(FMT_LIBS) \
	$(XXHASH_LIBS) \
	$(NULL)
