// Every message of the device link, request above its reply, one definition
// for both ends. Bodies are what wire::Encode makes of `Fields`
// (docs/formats/wire.md); they travel only inside the secure channel, but for
// DeviceInfo.
//
// kOp is unique and never reused; kChanges marks requests that change
// something on the device and are therefore done at most once.
#ifndef PERIGEE_HSM_IO_MESSAGES_H_
#define PERIGEE_HSM_IO_MESSAGES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/secret_bytes.h"
#include "base/wire.h"

namespace hsm_io {

using base::Bytes;
using base::SecretBytes;

// The reason of CKR_USER_NOT_LOGGED_IN when it is this channel that has no
// login there (and not a role that may not do the thing).
inline constexpr char kNoLogin[] = "no-login";

// Answer to Discover, in clear. Text from a device is stripped of control
// characters by the client.
struct DeviceInfo {
  std::string serial;
  std::string model;        // row of the model table
  std::string token_model;  // CK_TOKEN_INFO.model
  std::string manufacturer;
  std::string label;  // empty until initialised
  std::array<uint8_t, 3> firmware{};
  bool initialized = false;
  bool zeroized = false;
  bool adoption_allowed = false;
  Bytes certificate;  // DER
  template <typename V>
  void Fields(V& v) {
    v(serial, model, token_model, manufacturer, label, firmware, initialized,
      zeroized, adoption_allowed, certificate);
  }
};

struct Empty {
  template <typename V>
  void Fields(V& v) {
    v();
  }
};

// hsm::RoleState.
struct RoleStatus {
  bool initialized = false;
  bool locked = false;
  bool must_change_pin = false;
  uint32_t failures = 0;
  uint32_t attempts_left = 0;
  template <typename V>
  void Fields(V& v) {
    v(initialized, locked, must_change_pin, failures, attempts_left);
  }
};

// hsm::StorageInfo.
struct StorageStatus {
  uint64_t overhead = 0;
  uint64_t total = 0;
  uint64_t used = 0;
  uint64_t free = 0;
  uint64_t objects = 0;
  template <typename V>
  void Fields(V& v) {
    v(overhead, total, used, free, objects);
  }
};

struct PolicyValue {
  uint32_t number = 0;
  uint64_t value = 0;
  template <typename V>
  void Fields(V& v) {
    v(number, value);
  }
};

// --- the HSM ----------------------------------------------------------------

struct GetHsmStatus {
  static constexpr uint16_t kOp = 10;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "GetHsmStatus";
  struct Reply {
    DeviceInfo info;
    RoleStatus so;
    RoleStatus auditor;
    StorageStatus storage;
    uint32_t allowed_containers = 0;
    uint32_t containers = 0;
    bool approved_mode = false;
    bool attached_to_appliance = false;
    std::array<uint8_t, 3> rollback{};  // 0.0.0: no firmware to go back to
    std::vector<PolicyValue> capabilities;
    std::vector<PolicyValue> policies;
    template <typename V>
    void Fields(V& v) {
      v(info, so, auditor, storage, allowed_containers, containers,
        approved_mode, attached_to_appliance, rollback, capabilities, policies);
    }
  };
  template <typename V>
  void Fields(V& v) {
    v();
  }
};

// hsm init; ends every login of the device.
struct InitHsm {
  static constexpr uint16_t kOp = 11;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "InitHsm";
  using Reply = Empty;
  std::string label;
  SecretBytes so_pin;
  SecretBytes domain;
  template <typename V>
  void Fields(V& v) {
    v(label, so_pin, domain);
  }
};

struct SetHsmPolicies {
  static constexpr uint16_t kOp = 12;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "SetHsmPolicies";
  using Reply = Empty;
  std::vector<PolicyValue> changes;
  bool allow_destructive = false;
  template <typename V>
  void Fields(V& v) {
    v(changes, allow_destructive);
  }
};

struct ZeroizeHsm {
  static constexpr uint16_t kOp = 13;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "ZeroizeHsm";
  using Reply = Empty;
  bool factory_reset = false;
  template <typename V>
  void Fields(V& v) {
    v(factory_reset);
  }
};

// The device checks the SO's PIN, then trusts `root` and uses `certificate`.
// The only request of an adoption channel.
struct Adopt {
  static constexpr uint16_t kOp = 14;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "Adopt";
  using Reply = Empty;
  SecretBytes so_pin;
  Bytes root;         // DER
  Bytes certificate;  // DER, the device's new one
  template <typename V>
  void Fields(V& v) {
    v(so_pin, root, certificate);
  }
};

// hsm updatefw, by the SO; both empty: the image that the appliance carries.
struct UpdateFirmware {
  static constexpr uint16_t kOp = 15;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "UpdateFirmware";
  using Reply = Empty;
  Bytes image;
  Bytes code;
  template <typename V>
  void Fields(V& v) {
    v(image, code);
  }
};

// hsm rollbackfw, by the SO; ends every login of the device.
struct RollbackFirmware {
  static constexpr uint16_t kOp = 16;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "RollbackFirmware";
  using Reply = Empty;
  template <typename V>
  void Fields(V& v) {
    v();
  }
};

// The device's condition (hsm/condition.h).
struct GetCondition {
  static constexpr uint16_t kOp = 17;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "GetCondition";
  struct Reply {
    bool transport = false;
    bool decommissioned = false;
    uint64_t tampered_at = 0;  // seconds since 1970; 0: it was not
    template <typename V>
    void Fields(V& v) {
      v(transport, decommissioned, tampered_at);
    }
  };
  template <typename V>
  void Fields(V& v) {
    v();
  }
};

// stm transport, stm recover, by the SO where there is one.
struct SetTransport {
  static constexpr uint16_t kOp = 18;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "SetTransport";
  enum class What : uint8_t { kEnter = 1, kVerify = 2, kLeave = 3 };
  struct Reply {
    std::string user;          // kEnter
    std::string verification;  // kEnter, kVerify
    template <typename V>
    void Fields(V& v) {
      v(user, verification);
    }
  };
  uint8_t what = 0;
  std::string user;  // kVerify
  template <typename V>
  void Fields(V& v) {
    v(what, user);
  }
};

// What opening the case does; or its end, by the SO where there is one.
struct SetTamper {
  static constexpr uint16_t kOp = 19;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "SetTamper";
  using Reply = Empty;
  bool tampered = false;
  template <typename V>
  void Fields(V& v) {
    v(tampered);
  }
};

// --- roles; `space` 0 is the admin partition, others are containers --------

// Not kChanges: a login dies with its channel, so its outcome is never asked.
struct Login {
  static constexpr uint16_t kOp = 20;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "Login";
  struct Reply {
    bool must_change_pin = false;
    template <typename V>
    void Fields(V& v) {
      v(must_change_pin);
    }
  };
  uint32_t space = 0;
  uint8_t role = 0;  // hsm::Role
  SecretBytes pin;
  template <typename V>
  void Fields(V& v) {
    v(space, role, pin);
  }
};

struct Logout {
  static constexpr uint16_t kOp = 21;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "Logout";
  using Reply = Empty;
  uint32_t space = 0;
  template <typename V>
  void Fields(V& v) {
    v(space);
  }
};

struct InitRole {
  static constexpr uint16_t kOp = 22;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "InitRole";
  using Reply = Empty;
  uint32_t space = 0;
  uint8_t role = 0;
  SecretBytes pin;
  template <typename V>
  void Fields(V& v) {
    v(space, role, pin);
  }
};

struct ChangePin {
  static constexpr uint16_t kOp = 23;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "ChangePin";
  using Reply = Empty;
  uint32_t space = 0;
  uint8_t role = 0;
  SecretBytes old_pin;
  SecretBytes new_pin;
  template <typename V>
  void Fields(V& v) {
    v(space, role, old_pin, new_pin);
  }
};

struct GetRoleStatus {
  static constexpr uint16_t kOp = 24;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "GetRoleStatus";
  using Reply = RoleStatus;
  uint32_t space = 0;
  uint8_t role = 0;
  template <typename V>
  void Fields(V& v) {
    v(space, role);
  }
};

// --- containers: the backup partitions --------------------------------------

struct ContainerStatus {
  uint32_t space = 0;
  std::array<uint8_t, 16> id{};
  std::string label;
  std::string serial;
  bool initialized = false;
  bool has_domain = false;
  uint8_t version = 0;
  StorageStatus storage;
  RoleStatus so;
  RoleStatus co;
  template <typename V>
  void Fields(V& v) {
    v(space, id, label, serial, initialized, has_domain, version, storage, so,
      co);
  }
};

struct ListContainers {
  static constexpr uint16_t kOp = 30;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "ListContainers";
  struct Reply {
    std::vector<ContainerStatus> containers;
    template <typename V>
    void Fields(V& v) {
      v(containers);
    }
  };
  template <typename V>
  void Fields(V& v) {
    v();
  }
};

// By the HSM SO. With `pin` (which is the PO's and the CO's first one) it is
// initialised as well: all of it or nothing.
struct CreateContainer {
  static constexpr uint16_t kOp = 31;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "CreateContainer";
  struct Reply {
    uint32_t space = 0;
    template <typename V>
    void Fields(V& v) {
      v(space);
    }
  };
  std::string label;
  uint64_t capacity = 0;  // bytes; 0: all that is free
  uint8_t version = 0;
  SecretBytes pin;     // empty: only made
  SecretBytes domain;  // empty: none
  template <typename V>
  void Fields(V& v) {
    v(label, capacity, version, pin, domain);
  }
};

// Partition init inside a container: PO's PIN and domain.
struct InitContainer {
  static constexpr uint16_t kOp = 32;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "InitContainer";
  using Reply = Empty;
  uint32_t space = 0;
  std::string label;
  SecretBytes so_pin;
  SecretBytes domain;
  template <typename V>
  void Fields(V& v) {
    v(space, label, so_pin, domain);
  }
};

struct DeleteContainer {
  static constexpr uint16_t kOp = 33;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "DeleteContainer";
  using Reply = Empty;
  uint32_t space = 0;
  template <typename V>
  void Fields(V& v) {
    v(space);
  }
};

struct ResizeContainer {
  static constexpr uint16_t kOp = 34;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "ResizeContainer";
  using Reply = Empty;
  uint32_t space = 0;
  uint64_t capacity = 0;  // 0: all that is free
  template <typename V>
  void Fields(V& v) {
    v(space, capacity);
  }
};

struct SetDomain {
  static constexpr uint16_t kOp = 35;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "SetDomain";
  using Reply = Empty;
  uint32_t space = 0;
  SecretBytes domain;
  template <typename V>
  void Fields(V& v) {
    v(space, domain);
  }
};

struct GetContainerPolicies {
  static constexpr uint16_t kOp = 36;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "GetContainerPolicies";
  struct Reply {
    std::vector<PolicyValue> capabilities;
    std::vector<PolicyValue> policies;
    template <typename V>
    void Fields(V& v) {
      v(capabilities, policies);
    }
  };
  uint32_t space = 0;
  template <typename V>
  void Fields(V& v) {
    v(space);
  }
};

struct SetContainerPolicies {
  static constexpr uint16_t kOp = 37;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "SetContainerPolicies";
  using Reply = Empty;
  uint32_t space = 0;
  std::vector<PolicyValue> changes;
  bool allow_destructive = false;
  template <typename V>
  void Fields(V& v) {
    v(space, changes, allow_destructive);
  }
};

// By the PO.
struct ChangeLabel {
  static constexpr uint16_t kOp = 38;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "ChangeLabel";
  using Reply = Empty;
  uint32_t space = 0;
  std::string label;
  template <typename V>
  void Fields(V& v) {
    v(space, label);
  }
};

// --- objects in a container -------------------------------------------------

// cloning::Endpoint::Item.
struct ObjectStatus {
  uint64_t handle = 0;
  std::array<uint8_t, 12> ouid{};
  // CK_UNAVAILABLE_INFORMATION, and nothing else but the handle: the record
  // is damaged.
  uint64_t object_class = 0;
  uint64_t key_type = 0;
  std::string label;
  uint64_t size = 0;
  bool is_private = true;
  template <typename V>
  void Fields(V& v) {
    v(handle, ouid, object_class, key_type, label, size, is_private);
  }
};

// Objects with handles above `after`, at most 1,000; fewer: that was all.
struct ListObjects {
  static constexpr uint16_t kOp = 40;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "ListObjects";
  struct Reply {
    std::vector<ObjectStatus> objects;
    template <typename V>
    void Fields(V& v) {
      v(objects);
    }
  };
  uint32_t space = 0;
  uint64_t after = 0;
  template <typename V>
  void Fields(V& v) {
    v(space, after);
  }
};

// Handles above `after`, ascending, at most 100,000; none: that was all.
struct ListHandles {
  static constexpr uint16_t kOp = 43;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "ListHandles";
  struct Reply {
    std::vector<uint64_t> handles;
    template <typename V>
    void Fields(V& v) {
      v(handles);
    }
  };
  uint32_t space = 0;
  uint64_t after = 0;
  template <typename V>
  void Fields(V& v) {
    v(space, after);
  }
};

// Empty `handles`: all objects. CO.
struct DestroyObjects {
  static constexpr uint16_t kOp = 41;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "DestroyObjects";
  using Reply = Empty;
  uint32_t space = 0;
  std::vector<uint64_t> handles;
  template <typename V>
  void Fields(V& v) {
    v(space, handles);
  }
};

// The manifests of a backup partition, a page at a time (hsm::ManifestBook). A
// run that was left open is closed by the CO's asking for page 0.
struct ReadManifest {
  static constexpr uint16_t kOp = 42;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "ReadManifest";
  struct Reply {
    uint64_t seq = 0;  // of the newest; when it changes, begin anew
    Bytes text;
    uint64_t next = 0;  // page; 0: that was all
    template <typename V>
    void Fields(V& v) {
      v(seq, text, next);
    }
  };
  uint32_t space = 0;
  uint64_t page = 0;
  template <typename V>
  void Fields(V& v) {
    v(space, page);
  }
};

// --- cloning runs: cloning::Endpoint's verbs --------------------------------
// A run lives on its channel; at most 16 at once. Payloads are the encodings of
// cloning's own types, opaque here.

struct RunStart {
  static constexpr uint16_t kOp = 50;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunStart";
  struct Reply {
    uint32_t run = 0;
    Bytes hello;
    template <typename V>
    void Fields(V& v) {
      v(run, hello);
    }
  };
  uint32_t space = 0;
  template <typename V>
  void Fields(V& v) {
    v(space);
  }
};

struct RunBind {
  static constexpr uint16_t kOp = 51;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunBind";
  using Reply = Empty;
  uint32_t run = 0;
  Bytes reply;
  template <typename V>
  void Fields(V& v) {
    v(run, reply);
  }
};

struct RunNext {
  static constexpr uint16_t kOp = 52;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunNext";
  struct Reply {
    Bytes batch;  // cloning::Batch
    template <typename V>
    void Fields(V& v) {
      v(batch);
    }
  };
  uint32_t run = 0;
  std::vector<uint64_t> handles;
  bool end = false;  // the end record instead
  template <typename V>
  void Fields(V& v) {
    v(run, handles, end);
  }
};

struct RunJoin {
  static constexpr uint16_t kOp = 53;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunJoin";
  struct Reply {
    uint32_t run = 0;
    Bytes reply;
    template <typename V>
    void Fields(V& v) {
      v(run, reply);
    }
  };
  uint32_t space = 0;
  Bytes hello;
  template <typename V>
  void Fields(V& v) {
    v(space, hello);
  }
};

struct RunAccept {
  static constexpr uint16_t kOp = 54;
  static constexpr bool kChanges = true;
  static constexpr char kName[] = "RunAccept";
  struct Reply {
    Bytes results;  // vector of cloning::TargetResult
    template <typename V>
    void Fields(V& v) {
      v(results);
    }
  };
  uint32_t run = 0;
  Bytes sealed;
  Bytes options;  // cloning::AcceptOptions
  template <typename V>
  void Fields(V& v) {
    v(run, sealed, options);
  }
};

struct RunOffer {
  static constexpr uint16_t kOp = 57;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunOffer";
  struct Reply {
    Bytes offer;  // cloning::SealedOffer
    template <typename V>
    void Fields(V& v) {
      v(offer);
    }
  };
  uint32_t run = 0;
  std::vector<uint64_t> handles;
  template <typename V>
  void Fields(V& v) {
    v(run, handles);
  }
};

struct RunCompare {
  static constexpr uint16_t kOp = 58;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunCompare";
  struct Reply {
    Bytes held;  // vector of cloning::Held
    template <typename V>
    void Fields(V& v) {
      v(held);
    }
  };
  uint32_t run = 0;
  Bytes sealed;
  template <typename V>
  void Fields(V& v) {
    v(run, sealed);
  }
};

struct RunClose {
  static constexpr uint16_t kOp = 55;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunClose";
  using Reply = Empty;
  uint32_t run = 0;
  template <typename V>
  void Fields(V& v) {
    v(run);
  }
};

// What a run into a container would do (cloning/forecast.h); nothing changes.
// `space` 0: into a container that the SO would make with `label` and
// `capacity`.
struct RunForecast {
  static constexpr uint16_t kOp = 56;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "RunForecast";
  struct Reply {
    Bytes statement;    // hsm::Statement of the target
    Bytes forecast;     // cloning::TargetForecast
    uint64_t room = 0;  // bytes free before these objects
    uint64_t left = 0;  // and behind them
    bool full = false;
    template <typename V>
    void Fields(V& v) {
      v(statement, forecast, room, left, full);
    }
  };
  uint32_t space = 0;
  std::string label;
  uint64_t capacity = 0;
  // None: only the statement and the room are asked for.
  Bytes source;   // hsm::Statement
  Bytes objects;  // vector of cloning::ForecastObject
  // What the answer about the objects before these said.
  std::optional<uint64_t> left;
  bool full = false;
  template <typename V>
  void Fields(V& v) {
    v(space, label, capacity, source, objects, left, full);
  }
};

// --- at most once -----------------------------------------------------------

// The reply that a changing request of this client got, if it was done.
struct Outcome {
  static constexpr uint16_t kOp = 60;
  static constexpr bool kChanges = false;
  static constexpr char kName[] = "Outcome";
  struct Reply {
    bool done = false;
    SecretBytes reply;  // as it was answered: status and body
    template <typename V>
    void Fields(V& v) {
      v(done, reply);
    }
  };
  std::array<uint8_t, 16> id{};
  template <typename V>
  void Fields(V& v) {
    v(id);
  }
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_MESSAGES_H_
