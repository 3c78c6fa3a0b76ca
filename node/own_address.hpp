// The address at which the other nodes reach this host, where the configuration leaves it to the node ("auto"). A host
// may have several: of containers, of private networks to other places.
#pragma once

#include <string>
#include <vector>

namespace ddb::node {

// The one from which this host reaches the first of `peers` ("host:port") that is another host; without such, from
// which it reaches other networks; else of the first interface that is up; else the loopback's. Sends nothing.
[[nodiscard]] std::string own_address(const std::vector<std::string>& peers);

}  // namespace ddb::node
