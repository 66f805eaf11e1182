// Lines of the audit log for systemd's journal, by its native protocol.
#ifndef PERIGEE_HSM_AUDIT_JOURNAL_H_
#define PERIGEE_HSM_AUDIT_JOURNAL_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace hsm {

// Sends one datagram to the socket at `path`. Never waits and never fails: a
// journal that is busy or absent loses the line, which the log keeps.
void SendToJournal(const std::string& path, uint64_t seq,
                   absl::string_view word, absl::string_view line) noexcept;

}  // namespace hsm

#endif  // PERIGEE_HSM_AUDIT_JOURNAL_H_
