// What each client has had of the engine, so that who had less goes first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

namespace gptoss::engine {

struct Client {
  int64_t n_served = 0;  // tokens computed for it, on the same scale for all clients
  int n_sequences = 0;
};

class Clients {
 public:
  // One more sequence of this client. A client that comes (back) starts level with the one that has
  // had least: it is owed nothing for the time that it was away.
  Client* enter(const std::string& name) {
    int64_t least = 0;
    if (const auto poorest = std::min_element(
            clients_.begin(), clients_.end(),
            [](const auto& a, const auto& b) { return a.second.n_served < b.second.n_served; });
        poorest != clients_.end())
      least = poorest->second.n_served;
    Client& client = clients_.try_emplace(name, Client{least, 0}).first->second;
    ++client.n_sequences;
    return &client;
  }
  void leave(Client* client) {
    if (--client->n_sequences > 0) return;
    std::erase_if(clients_, [=](const auto& entry) { return &entry.second == client; });
  }

 private:
  std::map<std::string, Client> clients_;  // with sequences; entries do not move
};

}  // namespace gptoss::engine
