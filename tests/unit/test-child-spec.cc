// SPDX-License-Identifier: BSD-3-Clause
#include "common/child/child_spec.h"

#include <catch2/catch.hpp>

#include "tests/unit/device_test.h"

using namespace device_test;
using resilience::ChildSpec;
using resilience::parse_child_spec;
using resilience::SetupError;
using resilience::SpecKind;
using resilience::storage_identity;

namespace {

std::string target(const std::string& text)
{
    return parse_child_spec(text, "/home/me").target;
}

std::string refusal(const std::string& text)
{
    try {
        return "(accepted) " + target(text);
    } catch (const SetupError& error) {
        return error.what();
    }
}

std::string identity(const std::string& text, const std::string& directory = "/home/me")
{
    return storage_identity(parse_child_spec(text, directory));
}

}  // namespace

TEST_CASE("paths become absolute")
{
    CHECK(parse_child_spec("a.img", "/home/me").kind == SpecKind::path);
    CHECK(parse_child_spec("a.img", "/home/me").text == "a.img");
    CHECK(target("a.img") == "/home/me/a.img");
    CHECK(target("./[x") == "/home/me/./[x");
    CHECK(target("/dev/sda") == "/dev/sda");
    CHECK(target("a:b.img") == "/home/me/a:b.img");
    CHECK(parse_child_spec("a", "/").target == "/a");
}

TEST_CASE("URIs of every scheme that libnbd knows are accepted")
{
    for (const std::string text :
         {"nbd://host", "nbd://host:1234/export", "nbds://user@host/", "nbd://[::1]:10809/x",
          "nbd+vsock://2:10809/", "nbds+vsock://2/", "nbd+unix:///export?socket=/run/a",
          "nbds+unix:///?socket=/run/a&tls-psk-file=/k"}) {
        CHECK(parse_child_spec(text, "/home/me").kind == SpecKind::uri);
        CHECK(target(text) == text);
    }
    CHECK(target("NBD://Host/x") == "nbd://Host/x");
}

TEST_CASE("relative paths in a URI become absolute")
{
    CHECK(target("nbd+unix:///?socket=sock") == "nbd+unix:///?socket=/home/me/sock");
    CHECK(target("nbd+unix:///e?x=1&socket=a%20b") ==
          "nbd+unix:///e?x=1&socket=/home/me/a%20b");
    CHECK(target("nbds://h/?tls-certificates=pki") ==
          "nbds://h/?tls-certificates=/home/me/pki");
    CHECK(parse_child_spec("nbd+unix:///?socket=s", "/a b&c").target ==
          "nbd+unix:///?socket=/a%20b%26c/s");
}

TEST_CASE("a command stands between brackets")
{
    const auto spec = parse_child_spec("[ qemu-nbd -f qcow2 'a b.qcow2' ]", "/home/me");
    CHECK(spec.kind == SpecKind::command);
    CHECK(spec.target == "qemu-nbd -f qcow2 'a b.qcow2'");
    CHECK(spec.directory == "/home/me");
    CHECK(target("[ [ -e x ] && nbdkit null ]") == "[ -e x ] && nbdkit null");
}

TEST_CASE("what cannot be a SPEC is refused, and says what is allowed")
{
    using Catch::Contains;
    CHECK_THAT(refusal(""), Contains("a path, an NBD URI, or '[ COMMAND ]'"));
    CHECK_THAT(refusal("  "), Contains("a path, an NBD URI, or '[ COMMAND ]'"));
    CHECK_THAT(refusal("http://host/x"), Contains("unknown scheme 'http://'") &&
                                             Contains("nbd+unix://") && Contains("nbds+vsock://"));
    CHECK_THAT(refusal("nbd+ssh://host/x"), Contains("unknown scheme"));
    CHECK_THAT(refusal("nbd+unix:///x"), Contains("names no socket"));
    CHECK_THAT(refusal("nbd+unix:///x?socket="), Contains("empty 'socket='"));
    CHECK_THAT(refusal("[ nbdkit null"), Contains("no closing bracket"));
    CHECK_THAT(refusal("[ nbdkit null]"), Contains("no closing bracket"));
    CHECK_THAT(refusal("["), Contains("no closing bracket"));
    CHECK_THAT(refusal("[ ]"), Contains("no command"));
    CHECK_THAT(refusal("[1].img"), Contains("'./[1].img'"));
}

TEST_CASE("QEMU's forms are no paths: it is said what to write")
{
    using Catch::Contains;
    CHECK(refusal("nbd:localhost:10809") ==
          "'nbd:localhost:10809' is QEMU's form of a name; for an NBD server write "
          "nbd://localhost:10809; and for a file with this very name './nbd:localhost:10809'");
    CHECK_THAT(refusal("nbd:[::1]:10809:exportname=a b"),
               Contains("write nbd://[::1]:10809/a%20b;"));
    CHECK_THAT(refusal("nbd:unix:/run/s"), Contains("write nbd+unix:///?socket=/run/s;"));
    CHECK_THAT(refusal("nbd:unix:/run/s:exportname=x"),
               Contains("write nbd+unix:///x?socket=/run/s;"));
    CHECK_THAT(refusal("file:a.img"), Contains("write its path, a.img;"));
    CHECK_THAT(refusal("file:///srv/a%20b.img"), Contains("write its path, /srv/a b.img;"));
    CHECK_THAT(refusal("json:{\"driver\":\"qcow2\"}"),
               Contains("NBD URI") && Contains("'[ qemu-nbd IMAGE ]'"));
    for (const std::string name : {"nbd:x", "file:x", "json:x", "file:///x"}) {
        CHECK(target("./" + name) == "/home/me/./" + name);
        CHECK(target("/srv/" + name) == "/srv/" + name);
    }
}

TEST_CASE("the same storage has the same identity")
{
    const TemporaryFolder folder("/dev/shm");
    make_file(folder / "a", Bytes(512));
    make_file(folder / "b", Bytes(512));
    std::filesystem::create_symlink(folder / "a", folder / "link");
    std::filesystem::create_hard_link(folder / "a", folder / "hard");
    CHECK(identity(folder / "a") == identity(folder / "link"));
    CHECK(identity(folder / "a") == identity(folder / "hard"));
    CHECK(identity(folder / "a") == identity("a", folder / "."));
    CHECK(identity(folder / "a") != identity(folder / "b"));
    CHECK(identity("/missing/x") == identity("/missing/./y/../x"));
    CHECK(identity("/missing/x") != identity("/missing/y"));

    CHECK(identity("nbd://Host/x") == identity("nbd://host:10809/x"));
    CHECK(identity("nbd://host/x") == identity("nbd://me@host/%78"));
    CHECK(identity("nbd://host/x") != identity("nbd://host/y"));
    CHECK(identity("nbd://host:1/x") != identity("nbd://host:2/x"));
    CHECK(identity("nbd://[::1]/x") == identity("nbd://[::1]:10809/x"));
    CHECK(identity("nbd://2/x") != identity("nbd+vsock://2/x"));
    CHECK(identity("nbd+unix:///?socket=" + folder / "a") ==
          identity("nbd+unix:///?socket=" + folder / "link"));
    const std::string before = identity("nbd+unix:///?socket=" + folder / "b");
    std::filesystem::rename(folder / "a", folder / "b");  // the server was started anew
    CHECK(identity("nbd+unix:///?socket=" + folder / "b") == before);
    CHECK(identity("nbd+unix:///x?socket=/s") != identity("nbd+unix:///y?socket=/s"));

    CHECK(identity("[ nbdkit null ]") == identity("[  nbdkit null  ]"));
    CHECK(identity("[ nbdkit null ]") != identity("[ nbdkit null ]", "/elsewhere"));
}

TEST_CASE("what a plugin is told to open is the same storage as a child of that name")
{
    using resilience::plugin_storage_identity;
    CHECK(plugin_storage_identity("file", "missing", "/here") == identity("/here/missing"));
    CHECK(plugin_storage_identity("uri", "nbd://host/x", "/here") == identity("nbd://host/x"));
    CHECK(plugin_storage_identity("socket", "/s", "/here") == identity("nbd+unix:///?socket=/s"));
    CHECK(plugin_storage_identity("size", "1M", "/here") == std::nullopt);
    CHECK(plugin_storage_identity("file", "", "/here") == std::nullopt);
}
