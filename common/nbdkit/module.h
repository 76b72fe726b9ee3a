// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One loaded filter or plugin, with no type of nbdkit in it.
//
// A module is what stands between nbdkit's callbacks (FilterShim, PluginShim)
// and the devices that do the work: it takes the parameters, builds the graph
// of devices, starts and stops it, and says which device a client sees.  A
// module is described to the shims by a traits class:
//
//   struct QuorumModule {
//       static constexpr const char* name = "quorum";          // as in --filter=quorum
//       static constexpr const char* longname = "nbdkit quorum";
//       static constexpr const char* description = "...";      // one paragraph
//       static constexpr const char* magic_config_key = "quorum-child";  // plugin form
//       static constexpr const char* first_parameter = "quorum-child";  // filter form:
//                                                       // what a bare word may have meant
//       static constexpr const char* alternative = "use ...";  // optional: what to do
//                               // where the filter form cannot work; ends a message
//       static std::unique_ptr<Module> make(Form form);
//   };
//
// and registered with one line: RESILIENCE_REGISTER_FILTER(QuorumModule) or
// RESILIENCE_REGISTER_PLUGIN(QuorumModule).  tests/modules/pass.cc is the smallest
// one that has everything.
//
// The order of the calls, all but open() on the server's main thread:
//
//   make, config*, config_complete, get_ready, [fork], after_fork,
//   open (once per connection, concurrently, from the connections' threads),
//   cleanup, destructor.
//
// The control socket is made after get_ready, serves after after_fork, and is
// closed before cleanup.  A module is also made when the shared object is loaded,
// for the text of --help, so making one does nothing.
//
// Any of them may be the last one: a start that fails exits the process
// without cleanup or destructor, and the process that forks the server ends
// the same way.  So what must survive belongs on disk, not in a destructor.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/control/module_control.h"
#include "common/core/parameter_table.h"
#include "common/device/device.h"

namespace resilience {

/// How a module is loaded: above nbdkit's `next`, or as the plugin itself.
enum class Form : std::uint8_t { filter, plugin };

/// A client that connects.
struct Client {
    std::string export_name;       ///< what it asked for; "" for the default
    bool read_only = false;        ///< nbdkit's -r; the shim refuses writes by itself then
    std::uint32_t connection = 0;  ///< 1, 2, ... in the order of connecting
};

/// One line of the list of exports that a client can ask for.
struct Export {
    std::string name;
    std::string description;  ///< for people; may be empty
};

class Module {
public:
    /// `prefix` is what the names of the parameters begin with: keys that do and
    /// that the module does not have are refused.
    Module(Form form, const std::string& name, const std::string& prefix)
        : form_(form), parameters_(name, prefix)
    {
    }
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;
    virtual ~Module() = default;

    /// One key=value of the command line, with the user's directory still the
    /// current one.  Returns true if it was for this module, false if it goes on
    /// to what is below, e.g. the file= of nbdkit's file plugin (filter form
    /// only).  Throws SetupError.
    bool config(std::string_view key, const std::string& value);

    const ParameterTable& parameters() const { return parameters_; }
    ModuleControl& control() { return control_; }

    /// All keys have been given.  Throws SetupError.
    virtual void config_complete() {}

    /// How long the plugin below may take to open before that is an error, at
    /// start and later (filter form).  Asked after config_complete().
    virtual std::chrono::milliseconds timeout() const { return std::chrono::seconds(10); }

    /// Checks and opens everything, still in the foreground: what throws here
    /// is read by the person who started nbdkit.  `next` is null in the plugin
    /// form; in the filter form its size and capabilities are known already,
    /// but it is not started: the module calls its start() and stop() like
    /// those of any other device.  Throws SetupError.
    virtual void get_ready(std::shared_ptr<Device> next) = 0;

    /// In the process that serves: start threads and connections.  Nobody
    /// reads what is thrown here; a SetupError ends the server.
    virtual void after_fork() = 0;

    /// The device that this client sees, held until the connection has ended:
    /// one for all, or one for each.  SetupError refuses the connection.
    /// Called from several threads at once.
    virtual std::shared_ptr<Device> open(const Client& client) = 0;

    /// What a filter above is shown that asks, before after_fork(), what it will
    /// be above of: a device of the same size, capabilities and limits, which
    /// is asked for these and for nothing else.  Called in a process that
    /// serves nobody, so it must leave no trace behind.
    virtual std::shared_ptr<Device> preview(const Client& client) { return open(client); }

    /// What a client is told when it asks which exports there are.  Called
    /// from several threads at once, from after_fork() on.
    virtual std::vector<Export> exports() const { return {{"", ""}}; }

    /// Stops threads, bounded in time.  Connections may still be open: what
    /// open() gave out must go on answering (with errors, if need be), and is
    /// let go before the module is destroyed.
    virtual void cleanup() = 0;

    /// Whether `next` may be used by the module's own threads, with no client
    /// connected.  False if something below cannot serve requests in parallel:
    /// then `next` works only inside a client's request, on the client's
    /// thread, and `submit` on it completes before it returns.  True in the
    /// plugin form.  Valid from get_ready() on.
    bool background() const { return background_; }
    /// For the shims, before get_ready().
    void set_background(bool possible) { background_ = possible; }

    // For the shims: a call, and what goes with it in both forms.

    void make_ready(std::shared_ptr<Device> next)
    {
        get_ready(std::move(next));
        control_.open();
    }
    void serve()
    {
        after_fork();
        control_.start();
        started_ = true;
    }
    void end()
    {
        control_.stop();
        cleanup();
    }
    std::shared_ptr<Device> show(const Client& client)
    {
        return started_ ? open(client) : preview(client);
    }

    /// What was told to those below: keys and values, in the order of the command line.
    const std::vector<std::pair<std::string, std::string>>& below() const { return below_; }

protected:
    Form form() const { return form_; }
    /// For the constructor: adds rows.
    void add(std::vector<Parameter> rows, std::string_view heading = {})
    {
        parameters_.add(std::move(rows), heading);
    }
    /// Where the user was; absolute.
    const std::string& directory() const { return directory_; }
    /// What the plugin below serves, as far as that is known: storage_identity().
    std::vector<std::string> storage_below() const;

private:
    const Form form_;
    ModuleControl control_;  // what derived classes have uses it, and ends before it
    ParameterTable parameters_;
    std::string directory_;
    std::vector<std::pair<std::string, std::string>> below_;
    bool background_ = true;
    bool started_ = false;  // after_fork() has been called
};

}  // namespace resilience
