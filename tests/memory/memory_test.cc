// A process that used keys is looked through from outside: after logout, close
// of all sessions, finalisation or a failed login its memory holds no piece of
// any of the secrets. While the keys are in use the same search finds them.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <unordered_map>

#include "tests/conformance/keys.h"
#include "tests/e2e/host.h"
#include "tests/memory/secrets.h"

extern char** environ;

namespace memory {
namespace {

using conformance::Bytes;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

// --- the process that is looked through --------------------------------------

class Holder {
 public:
  Holder() {
    int to[2], from[2];
    EXPECT_EQ(pipe2(to, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(from, O_CLOEXEC), 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, from[1], STDOUT_FILENO);
    std::string program = PERIGEE_SECRETS_HOLDER;
    std::string module = e2e::ModulePath();
    char* const arguments[] = {program.data(), module.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, program.c_str(), &files, nullptr, arguments,
                          environ),
              0);
    posix_spawn_file_actions_destroy(&files);
    close(to[0]);
    close(from[1]);
    to_ = to[1];
    from_ = from[0];
  }
  ~Holder() {
    close(to_);
    close(from_);
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }

  CK_RV Do(Command command) { return Ask(command, nullptr, 0, nullptr, 0); }
  template <typename Input>
  CK_RV Do(Command command, const Input& input) {
    return Ask(command, &input, sizeof(input), nullptr, 0);
  }
  CK_RV Use(const Secrets& secrets, MadeSecrets& made) {
    return Ask(kUse, &secrets, sizeof(secrets), &made, sizeof(made));
  }
  pid_t pid() const { return pid_; }

 private:
  // When it returns, the holder has wiped what it got and what it told.
  CK_RV Ask(Command command, const void* input, size_t input_size, void* output,
            size_t output_size) {
    CK_RV rv = ~CK_RV{0};
    char end = 0;
    EXPECT_EQ(write(to_, &command, 1), 1);
    EXPECT_EQ(write(to_, input, input_size), static_cast<ssize_t>(input_size));
    EXPECT_TRUE(Read(&rv, sizeof(rv)) && Read(output, output_size) &&
                Read(&end, 1) && end == '!');
    return rv;
  }
  bool Read(void* to, size_t size) {
    for (auto* at = static_cast<char*>(to); size > 0;) {
      const ssize_t got = read(from_, at, size);
      if (got <= 0) return false;
      at += got;
      size -= got;
    }
    return true;
  }

  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
};

// --- the search
// ----------------------------------------------------------------

struct Region {
  uint64_t begin, end;
  std::string name;
  std::string flags;  // VmFlags
};

std::vector<Region> RegionsOf(pid_t pid) {
  std::ifstream lines("/proc/" + std::to_string(pid) + "/smaps");
  std::vector<Region> regions;
  for (std::string line; std::getline(lines, line);) {
    unsigned long begin = 0, end = 0;
    char access[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, access) == 3) {
      regions.push_back({begin, end, line, ""});
    } else if (line.starts_with("VmFlags:")) {
      regions.back().flags = line.substr(8) + " ";
    }
  }
  return regions;
}

constexpr size_t kPiece = 16;

// Pieces of secrets, as they are and backwards (big numbers lie so in memory).
class Needles {
 public:
  void Add(const std::string& name, const Value& value) {
    Bytes bytes(value.bytes, value.bytes + value.size);
    AddPieces(name, bytes);
    std::reverse(bytes.begin(), bytes.end());
    AddPieces(name, bytes);
  }
  // The secret that has a piece here; null if none has.
  const std::string* At(const uint8_t* at) const {
    uint64_t head;
    std::memcpy(&head, at, sizeof(head));
    if (!may_begin_[head % kFilter]) return nullptr;
    const auto [first, last] = pieces_.equal_range(head);
    for (auto it = first; it != last; ++it) {
      if (std::memcmp(it->second.bytes.data(), at, kPiece) == 0) {
        return &it->second.name;
      }
    }
    return nullptr;
  }

 private:
  struct Piece {
    Bytes bytes;
    std::string name;
  };
  void AddPieces(const std::string& name, const Bytes& bytes) {
    ASSERT_GE(bytes.size(), kPiece) << name;
    for (size_t at = 0; at + kPiece <= bytes.size(); at += 8) {
      uint64_t head;
      std::memcpy(&head, &bytes[at], sizeof(head));
      const Bytes piece(&bytes[at], &bytes[at] + kPiece);
      pieces_.insert({head, {piece, name}});
      may_begin_[head % kFilter] = true;
    }
  }

  static constexpr size_t kFilter = 65521;
  std::vector<bool> may_begin_ = std::vector<bool>(kFilter);
  std::unordered_multimap<uint64_t, Piece> pieces_;
};

struct Found {
  std::set<std::string> secrets;
  std::set<std::string> undumped;  // of these: where no core file looks
  std::string places;
};

void SearchRegion(int memory, const Region& region, const Needles& needles,
                  Found& found) {
  constexpr size_t kStep = 1 << 20;
  Bytes bytes(kStep + kPiece);
  for (uint64_t at = region.begin; at < region.end; at += kStep) {
    const size_t size = std::min<uint64_t>(bytes.size(), region.end - at);
    const ssize_t got = pread(memory, bytes.data(), size, at);
    if (got < static_cast<ssize_t>(size)) {
      // What the kernel shows nobody else, or behind the end of a file.
      EXPECT_THAT(region.name, testing::ContainsRegex(R"(\[v(var|syscall)|/)"));
    }
    for (ssize_t i = 0; i + static_cast<ssize_t>(kPiece) <= got; ++i) {
      const std::string* const name = needles.At(&bytes[i]);
      if (name == nullptr) continue;
      found.secrets.insert(*name);
      if (region.flags.find(" dd ") != std::string::npos) {
        found.undumped.insert(*name);
      }
      std::ostringstream place;
      place << *name << " at " << std::hex << at + i << " in " << region.name;
      found.places += place.str() + "\n";
    }
  }
}

Found Search(const Holder& holder, const Needles& needles) {
  Found found;
  const std::string path = "/proc/" + std::to_string(holder.pid()) + "/mem";
  const int memory = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GE(memory, 0);
  for (const Region& region : RegionsOf(holder.pid())) {
    if (region.name.find(" r") == std::string::npos) continue;
    // Address space that a sanitizer keeps for itself.
    if (region.end - region.begin > uint64_t{1} << 34) continue;
    SearchRegion(memory, region, needles, found);
  }
  close(memory);
  return found;
}

// --- the secrets
// ---------------------------------------------------------------

Value ValueOf(const Bytes& bytes) {
  Value value = {};
  std::copy(bytes.begin(), bytes.end(), value.bytes);
  value.size = bytes.size();
  return value;
}

Value Random(size_t size) {
  std::random_device random;
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<CK_BYTE>(random());
  return ValueOf(bytes);
}

Value RandomPin() {
  Value pin = Random(24);
  for (size_t i = 0; i < pin.size; ++i) pin.bytes[i] = 'A' + pin.bytes[i] % 26;
  return pin;
}

class MemoryTest : public testing::Test {
 protected:
  MemoryTest() : site_(OnlyAPartition()) {
    secrets_.pin = RandomPin();
    secrets_.new_pin = RandomPin();
    e2e::Host host(site_);
    host.InitPartition(0);
    const CK_SESSION_HANDLE session = host.Officer(0);
    auto* const old_pin =
        reinterpret_cast<const CK_UTF8CHAR*>(e2e::kOfficerPin);
    EXPECT_OK(host.c().C_SetPIN(session, const_cast<CK_UTF8CHAR*>(old_pin),
                                sizeof(e2e::kOfficerPin) - 1,
                                secrets_.pin.bytes, secrets_.pin.size));
    Choose();
  }

  static e2e::Plan OnlyAPartition() {
    e2e::Plan plan;
    plan.backups.clear();
    return plan;
  }

  void Choose() {
    secrets_.aes = Random(32);
    secrets_.generic = Random(48);
    secrets_.refused = Random(32);
    secrets_.text = Random(48);
    using conformance::Curve;
    const auto ec = conformance::EcPrivateKey(Curve::kP256);
    secrets_.ec_params = ValueOf(ec.value(CKA_EC_PARAMS));
    secrets_.ec_value = ValueOf(ec.value(CKA_VALUE));
    secrets_.ec_point = ValueOf(conformance::EcPoint(Curve::kP256));
    const auto rsa = conformance::RsaPrivateKey();
    RsaKey& key = secrets_.rsa;
    key.modulus = ValueOf(rsa.value(CKA_MODULUS));
    key.public_exponent = ValueOf(rsa.value(CKA_PUBLIC_EXPONENT));
    key.private_exponent = ValueOf(rsa.value(CKA_PRIVATE_EXPONENT));
    key.prime_1 = ValueOf(rsa.value(CKA_PRIME_1));
    key.prime_2 = ValueOf(rsa.value(CKA_PRIME_2));
    key.exponent_1 = ValueOf(rsa.value(CKA_EXPONENT_1));
    key.exponent_2 = ValueOf(rsa.value(CKA_EXPONENT_2));
    key.coefficient = ValueOf(rsa.value(CKA_COEFFICIENT));
  }

  Needles NeedlesOf(const MadeSecrets& made) const {
    Needles needles;
    needles.Add("PIN", secrets_.pin);
    needles.Add("new PIN", secrets_.new_pin);
    needles.Add("AES key", secrets_.aes);
    needles.Add("generic secret", secrets_.generic);
    needles.Add("value of a refused key", secrets_.refused);
    needles.Add("plaintext", secrets_.text);
    needles.Add("EC private key", secrets_.ec_value);
    needles.Add("RSA private exponent", secrets_.rsa.private_exponent);
    needles.Add("RSA prime 1", secrets_.rsa.prime_1);
    needles.Add("RSA prime 2", secrets_.rsa.prime_2);
    needles.Add("RSA exponent 1", secrets_.rsa.exponent_1);
    needles.Add("RSA exponent 2", secrets_.rsa.exponent_2);
    needles.Add("RSA coefficient", secrets_.rsa.coefficient);
    needles.Add("generated AES key", made.values[kGenerated]);
    needles.Add("hash of a key", made.values[kHashed]);
    needles.Add("key by HKDF", made.values[kExpanded]);
    needles.Add("key by ECDH", made.values[kAgreed]);
    needles.Add("generated EC key", made.values[kEcGenerated]);
    return needles;
  }

  // The keys are in use; then `commands`, and none of them is anywhere.
  void ExpectNothingAfter(const std::vector<Command>& commands) {
    site_.Use();
    Holder holder;
    MadeSecrets made = {};
    ASSERT_RV(CKR_OK, holder.Use(secrets_, made));
    const Needles needles = NeedlesOf(made);
    const Found before = Search(holder, needles);
    for (const char* const key :
         {"AES key", "generic secret", "EC private key", "RSA private exponent",
          "RSA prime 1", "generated AES key", "hash of a key", "key by HKDF",
          "key by ECDH", "generated EC key"}) {
      EXPECT_THAT(before.undumped, Contains(key));
    }
    // What is over is gone although somebody is logged in.
    for (const char* const past :
         {"PIN", "new PIN", "value of a refused key"}) {
      EXPECT_THAT(before.secrets, Not(Contains(past))) << before.places;
    }
    for (const Command command : commands) {
      EXPECT_RV(CKR_OK, holder.Do(command));
      const Found after = Search(holder, needles);
      EXPECT_THAT(after.secrets, IsEmpty()) << after.places;
    }
  }

  Secrets secrets_ = {};
  e2e::Site site_;
};

TEST_F(MemoryTest, AfterLogout_NoSecretIsLeft) {
  ExpectNothingAfter({kLogout, kFinalize});
}

TEST_F(MemoryTest, AfterCloseAllSessions_NoSecretIsLeft) {
  ExpectNothingAfter({kCloseAll, kFinalize});
}

TEST_F(MemoryTest, AfterFinalize_NoSecretIsLeft) {
  ExpectNothingAfter({kFinalize});
}

TEST_F(MemoryTest, AfterAFailedLogin_ThePinIsGone) {
  site_.Use();
  Holder holder;
  const Value wrong = RandomPin();
  Needles needles;
  needles.Add("wrong PIN", wrong);
  EXPECT_RV(CKR_PIN_INCORRECT, holder.Do(kLoginAs, wrong));
  const Found found = Search(holder, needles);
  EXPECT_THAT(found.secrets, IsEmpty()) << found.places;
}

}  // namespace
}  // namespace memory
