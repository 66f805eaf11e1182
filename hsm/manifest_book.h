// The manifests of one backup partition, as its device keeps them: rows are
// noted with the objects, and a run's manifest is made, signed and chained at
// its end. docs/formats/manifest.md has the values in the store.
#ifndef PERIGEE_HSM_MANIFEST_BOOK_H_
#define PERIGEE_HSM_MANIFEST_BOOK_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hsm/hsm.h"
#include "hsm/manifest_line.h"
#include "hsm/partition.h"

namespace hsm {

// Cheap to make, one thread, used for one message. Everything that changes
// something joins Hsm::Atomically.
class ManifestBook {
 public:
  // Whether this partition has manifests: one of a Backup HSM has.
  static absl::StatusOr<bool> IsKeptFor(Partition& partition);

  explicit ManifestBook(Partition& partition)
      : partition_(partition), hsm_(partition.hsm()) {}

  // --- while a run goes on ---------------------------------------------------
  // What became of one object; in the store after Save, which also notes that a
  // run of `source` is open.
  absl::Status Stored(uint64_t handle, AttributeSet attributes,
                      std::optional<Statement> origin);
  void LeftOutHere(LeftOut object) { left_out_.push_back(std::move(object)); }
  absl::Status Save(const Statement& source);

  // What the source says at the end of a run.
  struct SourceReport {
    uint64_t objects = 0;  // token objects that it holds
    uint64_t more = 0;     // left out, beyond those in the list
    std::vector<LeftOut> left_out;
    template <typename V>
    void Fields(V& v) {
      v(objects, more, left_out);
    }
  };

  // --- at its end ------------------------------------------------------------
  // Makes the manifest of the open run; nothing when none is open. `officer`
  // is the CO, who sees every object. `ended`: the end record came.
  absl::Status Close(Login& officer, bool ended);
  // The same where nobody may be kept waiting for it, or be refused because of
  // it: by any role, and a failure leaves the run open for the next time.
  static void CloseLeftOpen(Partition& partition, Login& login);
  absl::Status NoteReport(const Statement& source, SourceReport report);

  // --- reading ---------------------------------------------------------------
  // The chain and the newest manifest, as the file has them. `page` 0 begins;
  // `next` is 0 at the end. `seq` names the newest: when it is not the one that
  // page 0 told, begin anew.
  struct Page {
    uint64_t seq = 0;
    std::string text;
    uint64_t next = 0;
  };
  absl::StatusOr<Page> Read(uint64_t page);

 private:
  struct Run;
  struct State;
  // A row as it is kept with the partition.
  struct StoredRow {
    uint64_t handle = 0;
    Ouid ouid{};
    uint64_t object_class = 0;
    uint64_t key_type = 0;
    uint64_t size = 0;
    std::optional<Statement> origin;
    ManifestHash fingerprint{};
    template <typename V>
    void Fields(V& v) {
      v(handle, ouid, object_class, key_type, size, origin, fingerprint);
    }
    std::string Line(uint64_t number) const;
  };
  struct RowPage;
  class Text;

  absl::StatusOr<SecretBytes> Key();
  absl::StatusOr<StoredRow> RowOf(uint64_t handle, AttributeSet attributes,
                                  std::optional<Statement> origin);
  absl::Status PutLeftOut(Run& run, const std::vector<LeftOut>& left_out);
  absl::StatusOr<Run> OpenRun(const Statement& source);
  absl::Status WriteRows(Login& officer, const std::vector<uint64_t>& handles,
                         Text& text, ManifestHead& head,
                         std::vector<LeftOut>& damaged);
  absl::Status WriteLeftOut(const Run& run, const std::vector<LeftOut>& damaged,
                            Text& text, ManifestHead& head);
  absl::Status WriteHead(ManifestHead head, State& state);

  template <typename T>
  absl::StatusOr<std::optional<T>> Get(absl::string_view name);
  template <typename T>
  absl::Status Put(absl::string_view name, const T& value);

  Partition& partition_;
  Hsm& hsm_;
  SecretBytes key_;  // of the fingerprints; empty until it is needed
  std::map<uint64_t, std::vector<StoredRow>> rows_;  // by page
  std::vector<LeftOut> left_out_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_MANIFEST_BOOK_H_
