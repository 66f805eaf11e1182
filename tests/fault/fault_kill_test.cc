// A process that makes, changes and destroys objects and changes its PIN is
// killed at any moment, over and over. What it had finished is there, what it
// was doing is done or not done, and nothing else is there.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>
#include <sstream>

#include "tests/e2e/host.h"
#include "tests/e2e/objects.h"

namespace e2e {
namespace {

constexpr int kKills = 60;

// One change. `name` is a label; `value` what the object holds afterwards, or
// the new PIN. "halve" destroys the public key of a pair, which is made whole
// but destroyed key by key.
struct Step {
  std::string what;  // "note", "pair", "aes", "set", "halve", "destroy", "pin"
  std::string name = "-";
  std::string value = "-";
};

// What there must be.
struct Model {
  struct Item {
    std::string kind;   // "note", "pair", "private" (half a pair), "aes"
    std::string value;  // that "set" gave, or a note had from the beginning
    friend bool operator==(const Item&, const Item&) = default;
  };
  std::map<std::string, Item> items;
  std::string pin = kOfficerPin;

  void Do(const Step& step) {
    if (step.what == "pin") {
      pin = step.value;
    } else if (step.what == "destroy") {
      items.erase(step.name);
    } else if (step.what == "halve") {
      items[step.name].kind = "private";
    } else if (step.what == "set") {
      items[step.name].value = step.value;
    } else {
      items[step.name] = {step.what, step.value};
    }
  }
};

// A second attribute that goes with a value: both change or none.
std::string DateOf(const std::string& value) {
  const size_t year = std::hash<std::string>()(value) % 100;
  return (year < 10 ? "200" : "20") + std::to_string(year) + "0101";
}

std::vector<Step> ReadJournal(const std::string& path, bool& last_finished) {
  std::vector<Step> steps;
  last_finished = true;
  std::istringstream lines(ReadFile(path));
  for (std::string mark; lines >> mark;) {
    if (mark == "end") {
      last_finished = true;
      continue;
    }
    Step step;
    lines >> step.what >> step.name >> step.value;
    steps.push_back(step);
    last_finished = false;
  }
  return steps;
}

// --- the process that is killed ----------------------------------------------

class Worker {
 public:
  Worker(Site& site, Model model, const std::string& journal, unsigned seed)
      : host_(site), model_(std::move(model)), random_(seed), seed_(seed) {
    journal_ = open(journal.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    session_ = host_.Open(0);
    EXPECT_OK(host_.TryLogin(session_, CKU_USER, model_.pin));
  }

  // Until it is killed, or something fails.
  void Run(int ready) {
    for (int n = 0; !testing::Test::HasFailure(); ++n) {
      const Step step = Choose(n);
      Log("begin " + step.what + " " + step.name + " " + step.value + "\n");
      if (n == 0) {
        EXPECT_EQ(write(ready, "x", 1), 1);
      }
      Do(step);
      Log("end\n");
      model_.Do(step);
    }
  }

 private:
  // One write: a line is there whole or not at all.
  void Log(const std::string& line) {
    EXPECT_EQ(write(journal_, line.data(), line.size()),
              static_cast<ssize_t>(line.size()));
  }

  Step Choose(int n) {
    const std::string fresh = std::to_string(seed_) + "." + std::to_string(n);
    const int dice = random_() % 100;
    const bool crowded = model_.items.size() > 12;
    if (dice < 8) return {"pin", "-", "pin-" + fresh + "-1234"};
    if (!model_.items.empty() && (dice < 35 || crowded)) {
      const std::string name = AnyItem();
      const bool is_pair = model_.items[name].kind == "pair";
      return {is_pair ? "halve" : "destroy", name};
    }
    if (dice < 50) {
      for (const auto& [name, item] : model_.items) {
        if (item.kind == "aes") return {"set", name, fresh};
      }
    }
    if (dice < 65) return {"note", "note-" + fresh, fresh};
    if (dice < 75) return {"aes", "aes-" + fresh};
    return {"pair", "pair-" + fresh};
  }

  std::string AnyItem() {
    auto it = model_.items.begin();
    std::advance(it, random_() % model_.items.size());
    return it->first;
  }

  void Do(const Step& step) {
    if (step.what == "pair") {
      GenerateEcPair(host_, session_, step.name);
    } else if (step.what == "aes") {
      GenerateAes(host_, session_, step.name);
    } else if (step.what == "note") {
      host_.Create(session_, Note(step.name, step.value));
    } else if (step.what == "set") {
      const Template t = Template()
                             .Text(CKA_ID, step.value)
                             .Text(CKA_END_DATE, DateOf(step.value));
      EXPECT_OK(host_.c().C_SetAttributeValue(session_, Named(step.name)[0],
                                              t.data(), t.size()));
    } else if (step.what == "halve") {
      EXPECT_OK(host_.c().C_DestroyObject(
          session_, Only(host_, session_, CKO_PUBLIC_KEY, step.name)));
    } else if (step.what == "destroy") {
      EXPECT_OK(host_.c().C_DestroyObject(session_, Named(step.name).at(0)));
    } else {
      ChangePin(step.value);
    }
  }

  std::vector<CK_OBJECT_HANDLE> Named(const std::string& name) {
    return host_.Find(session_, Template().Text(CKA_LABEL, name));
  }

  void ChangePin(std::string pin) {
    std::string old = model_.pin;
    EXPECT_OK(host_.c().C_SetPIN(
        session_, reinterpret_cast<CK_UTF8CHAR*>(old.data()), old.size(),
        reinterpret_cast<CK_UTF8CHAR*>(pin.data()), pin.size()));
  }

  Host host_;
  Model model_;
  std::mt19937 random_;
  const unsigned seed_;
  int journal_ = -1;
  CK_SESSION_HANDLE session_ = 0;
};

// --- what is there afterwards ------------------------------------------------

std::string TextOf(const Host& host, CK_SESSION_HANDLE session,
                   CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const Bytes bytes = host.Get(session, object, type);
  return std::string(bytes.begin(), bytes.end());
}

// Reads the token and checks that each thing in it is whole; destroys none.
std::map<std::string, Model::Item> ReadItems(const Host& host,
                                             CK_SESSION_HANDLE session) {
  std::map<std::string, Model::Item> items;
  std::map<std::string, std::map<CK_OBJECT_CLASS, CK_OBJECT_HANDLE>> keys;
  for (const CK_OBJECT_HANDLE object : host.Find(session)) {
    const std::string label = TextOf(host, session, object, CKA_LABEL);
    CK_OBJECT_CLASS what = 0;
    const Bytes bytes = host.Get(session, object, CKA_CLASS);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<CK_BYTE*>(&what));
    if (what == CKO_DATA) {
      const std::string value = TextOf(host, session, object, CKA_VALUE);
      EXPECT_TRUE(items.emplace(label, Model::Item{"note", value}).second)
          << label;
    } else if (what == CKO_SECRET_KEY) {
      Encrypt(host, session, object);
      std::string value = TextOf(host, session, object, CKA_ID);
      const std::string date = TextOf(host, session, object, CKA_END_DATE);
      if (date.empty()) {
        value = "-";  // As it was made.
      } else {
        EXPECT_EQ(date, DateOf(value)) << label << " was changed by half";
      }
      EXPECT_TRUE(items.emplace(label, Model::Item{"aes", value}).second);
    } else {
      EXPECT_TRUE(keys[label].emplace(what, object).second) << label;
    }
  }
  for (const auto& [label, halves] : keys) {
    if (halves.size() == 1) {
      EXPECT_EQ(halves.count(CKO_PRIVATE_KEY), 1u) << label;
      items.emplace(label, Model::Item{"private", "-"});
      continue;
    }
    EXPECT_OK(Verify(
        host, session, CKM_ECDSA_SHA256, halves.at(CKO_PUBLIC_KEY),
        Sign(host, session, CKM_ECDSA_SHA256, halves.at(CKO_PRIVATE_KEY))));
    items.emplace(label, Model::Item{"pair", "-"});
  }
  return items;
}

// Compares the token with `model` after its last step, which was or was not
// done when `step` is not null; makes `model` what there is.
void Check(Site& site, Model& model, const Step* step) {
  Model done = model;
  if (step != nullptr) done.Do(*step);
  Host host(site);
  const CK_TOKEN_INFO token = host.TokenInfo(0);
  ASSERT_TRUE(token.flags & CKF_TOKEN_INITIALIZED) << "the token is lost";
  ASSERT_FALSE(token.flags & CKF_USER_PIN_LOCKED);
  const CK_SESSION_HANDLE session = host.Open(0);
  const bool pin_was_changed =
      done.pin != model.pin &&
      host.TryLogin(session, CKU_USER, done.pin) == CKR_OK;
  if (pin_was_changed) {
    model.pin = done.pin;
  } else {
    ASSERT_OK(host.TryLogin(session, CKU_USER, model.pin));
  }
  const auto items = ReadItems(host, session);
  if (items == done.items) model.items = done.items;
  EXPECT_EQ(items.size(), model.items.size());
  for (const auto& [name, item] : model.items) {
    ASSERT_TRUE(items.count(name) == 1) << name << " is lost";
    EXPECT_EQ(items.at(name).kind, item.kind) << name;
    EXPECT_EQ(items.at(name).value, item.value) << name;
  }
}

TEST(KillTest, AtAnyMoment_NothingIsLostAndNothingIsHalf) {
  const char* more = std::getenv("PERIGEE_KILLS");
  const int kills = more != nullptr ? std::atoi(more) : kKills;
  std::random_device entropy;
  const unsigned seed = entropy() % 1000000;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);

  Plan plan;
  plan.backups.clear();
  Site site(plan);
  {
    Host host(site);
    host.InitPartition(0, "");
  }
  Model model;
  size_t steps_done = 0, killed_inside = 0;
  for (int kill_number = 0; kill_number < kills; ++kill_number) {
    SCOPED_TRACE("kill " + std::to_string(kill_number));
    const std::string journal =
        site.path() + "/journal." + std::to_string(kill_number);
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(ready[0]);
      Worker(site, model, journal, seed + kill_number).Run(ready[1]);
      _exit(1);
    }
    close(ready[1]);
    char c;
    EXPECT_EQ(read(ready[0], &c, 1), 1) << "the worker did not begin";
    close(ready[0]);
    usleep(random() % 60000);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the worker failed by itself";

    bool last_finished = true;
    const std::vector<Step> steps = ReadJournal(journal, last_finished);
    for (size_t i = 0; i + (last_finished ? 0 : 1) < steps.size(); ++i) {
      model.Do(steps[i]);
    }
    steps_done += steps.size();
    killed_inside += last_finished ? 0 : 1;
    Check(site, model, last_finished ? nullptr : &steps.back());
    if (HasFailure()) return;
  }
  RecordProperty("steps", std::to_string(steps_done));
  RecordProperty("killed_inside_a_step", std::to_string(killed_inside));
  std::printf("%zu steps, %zu of %d kills inside one\n", steps_done,
              killed_inside, kills);
}

}  // namespace
}  // namespace e2e
