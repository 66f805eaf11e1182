#include "hsm_io/link_loop.h"

#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <utility>

namespace hsm_io {
namespace {

// For hosts to take the answers that they have when the loop ends.
constexpr absl::Duration kDrainBudget = absl::Seconds(2);

using Links = std::vector<std::unique_ptr<ServedLink>>;

// The oldest of those that never got further than knocking.
Links::const_iterator Stranger(const Links& links) {
  return std::find_if(links.begin(), links.end(), [](const auto& link) {
    return !link->has_been_trusted();
  });
}

// A stranger goes when there is no room, so that strangers cannot keep the
// hosts out.
bool MakeRoom(Links& links) {
  if (links.size() < kMaxLinks) return true;
  const auto stranger = Stranger(links);
  if (stranger == links.end()) return false;
  links.erase(stranger);
  return true;
}

void AcceptOne(const Port& port, Links& links) {
  if (!MakeRoom(links)) return;
  absl::StatusOr<int> fd = port.listener->Accept();
  if (!fd.ok()) return;  // The host gave up meanwhile.
  absl::StatusOr<std::unique_ptr<ServedLink>> link = port.new_link(*fd);
  if (link.ok()) links.push_back(*std::move(link));
}

// How long poll(2) may wait.
int Patience(const Links& links) {
  int patience = -1;
  for (const auto& link : links) {
    const int own = link->has_work() ? 0 : link->deadline().PollMilliseconds();
    if (own >= 0 && (patience < 0 || own < patience)) patience = own;
  }
  return patience;
}

bool Proceed(ServedLink& link, short events) {
  if ((events != 0 || link.has_work()) && !link.Proceed(events)) return false;
  return !link.deadline().Passed();
}

// Sends what waits to be sent; reads nothing more.
void Drain(Links& links) {
  const auto deadline = Deadline::After(kDrainBudget);
  for (;;) {
    std::vector<pollfd> waiting;
    std::vector<ServedLink*> sending;
    for (const auto& link : links) {
      if ((link->events() & POLLOUT) == 0) continue;
      waiting.push_back({link->fd(), POLLOUT, 0});
      sending.push_back(link.get());
    }
    if (waiting.empty()) return;
    const int ready =
        poll(waiting.data(), waiting.size(), deadline.PollMilliseconds());
    if (ready == 0 || (ready < 0 && errno != EINTR)) return;
    for (size_t i = 0; ready > 0 && i < sending.size(); ++i) {
      if (waiting[i].revents == 0 || sending[i]->Proceed(waiting[i].revents)) {
        continue;
      }
      links.erase(std::find_if(links.begin(), links.end(), [&](const auto& l) {
        return l.get() == sending[i];
      }));
    }
  }
}

}  // namespace

absl::Status ServePorts(const std::vector<Port>& ports, int stop_fd,
                        const std::vector<ServedLink*>& standing) {
  Links links;
  for (;;) {
    const bool full =
        links.size() >= kMaxLinks && Stranger(links) == links.end();
    std::vector<pollfd> waiting;
    for (const auto& link : links) {
      waiting.push_back({link->fd(), link->events(), 0});
    }
    for (const Port& port : ports) {
      waiting.push_back(
          {port.listener->fd(), full ? short{0} : short{POLLIN}, 0});
    }
    for (const ServedLink* each : standing) {
      waiting.push_back({each->fd(), each->events(), 0});
    }
    waiting.push_back({stop_fd, POLLIN, 0});
    if (poll(waiting.data(), waiting.size(), Patience(links)) < 0) {
      if (errno == EINTR) continue;
      return base::Error(CKR_DEVICE_ERROR, "poll failed");
    }
    if (waiting.back().revents != 0) {
      Drain(links);
      return absl::OkStatus();
    }
    const size_t count = links.size();
    for (size_t i = 0; i < count; ++i) {
      if (!Proceed(*links[i], waiting[i].revents)) links[i].reset();
    }
    links.erase(std::remove(links.begin(), links.end(), nullptr), links.end());
    for (size_t i = 0; i < ports.size(); ++i) {
      if ((waiting[count + i].revents & POLLIN) != 0) {
        AcceptOne(ports[i], links);
      }
    }
    for (size_t i = 0; i < standing.size(); ++i) {
      const short events = waiting[count + ports.size() + i].revents;
      if (events != 0 && !standing[i]->Proceed(events)) {
        return standing[i]->why();
      }
    }
  }
}

}  // namespace hsm_io
