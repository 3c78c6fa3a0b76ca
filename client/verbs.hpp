// Cluster verbs: asks a node, renders its JSON document in any format.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bus/request_client.hpp"
#include "client/discovery.hpp"
#include "client/formats.hpp"
#include "client/options.hpp"
#include "client/sink.hpp"
#include "schemas/result.hpp"

namespace ddb::client {

// An unconnected client for the target's nodes. `target` must outlive it.
[[nodiscard]] Result<std::unique_ptr<bus::RequestClient>> open_client(const Target& target);
// Words for a failed connection that name the key file when that may be the reason.
[[nodiscard]] Error explain_connect_error(const Error& error, const Target& target);

// A list of objects becomes a table; an object becomes a table of two columns, followed by the lists it holds. json and
// ndjson pass the document on, on one line (ndjson: one line per element of a list that is all there is).
Status render_document(const std::string& json_text, const FormatSettings& settings, Sink& sink);

// `ddb-cli VERB …`: prints, and returns the exit status. Words for people go to `complain`.
[[nodiscard]] Exit run_verb(const Options& options, const Target& target, const FormatSettings& settings, Sink& sink,
                            const std::function<void(const std::string&)>& complain);

}  // namespace ddb::client
