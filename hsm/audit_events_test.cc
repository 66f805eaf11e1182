// What an HSM and its partitions record of themselves.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::AuditText;
using testkit::BackupSpec;
using testkit::Data;
using testkit::LinesOf;
using testkit::LinesWith;
using testkit::List;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TestFleet;
using testkit::TestHsm;
using Mode = AuditSettings::Mode;

// The only line with this event.
std::string Only(Hsm& hsm, absl::string_view word) {
  const std::vector<std::string> lines = LinesWith(hsm, word);
  EXPECT_EQ(lines.size(), 1u) << word;
  return lines.empty() ? "" : lines.back();
}

bool Has(const std::string& line, const std::string& part) {
  const bool has = absl::StrContains(line, part);
  EXPECT_TRUE(has) << part << " is not in " << line;
  return has;
}

void ExpectSound(Hsm& hsm) {
  EXPECT_TRUE(hsm.audit().Checkpoint(true).ok());
  const base::Certificate roots[] = {TestFleet().root()};
  const AuditReport report = VerifyAudit(AuditText(hsm), roots);
  EXPECT_EQ(report.problem, AuditProblem::kNone) << report.text;
  EXPECT_EQ(report.uncovered, 0u);
}

TEST(AuditEventsTest, NewHsm_BeginsItsLog) {
  TestHsm hsm(AppSpec());
  const std::vector<std::string> lines = LinesOf(AuditText(*hsm));
  ASSERT_EQ(lines.size(), 3u);
  Has(lines[0], "\"event\":\"log-begin\"");
  Has(lines[0], "\"store\":\"");
  Has(lines[1], "\"event\":\"hsm-created\"");
  Has(lines[2], "\"event\":\"partition-created\"");
  Has(lines[2], "\"partition\":\"" + hsm.first().Info()->serial + "\"");
  ExpectSound(*hsm);
}

TEST(AuditEventsTest, Roles_AreRecorded) {
  TestHsm hsm(AppSpec());
  Partition& partition = hsm.first();
  const LoginRef co = MakeOfficer(partition);
  ASSERT_TRUE(partition.InitRole(*co, Role::kCu, Pin("cu-pin-1")).ok());
  ASSERT_TRUE(partition.SetDomain(*co, base::AsBytes("domain")).ok());
  Only(*hsm, "partition-initialized");
  const std::vector<std::string> made = LinesWith(*hsm, "role-created");
  ASSERT_EQ(made.size(), 2u);
  Has(made[0], "\"role\":\"so\",\"of\":\"co\"");
  Has(made[1], "\"role\":\"co\",\"of\":\"cu\"");
  Has(Only(*hsm, "pin-changed"), "\"role\":\"co\"");
  Has(Only(*hsm, "domain-set"), "\"role\":\"co\"");
  Has(LinesWith(*hsm, "login").back(), "\"role\":\"co\",\"result\":\"CKR_OK\"");
  ExpectSound(*hsm);
}

TEST(AuditEventsTest, WrongPins_AreCountedAndTheLockIsRecorded) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const uint32_t left = hsm.first().State(Role::kCo)->attempts_left;
  for (uint32_t i = 0; i < left; ++i) {
    EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong"))),
              CKR_PIN_INCORRECT);
  }
  const std::vector<std::string> logins = LinesWith(*hsm, "login");
  Has(logins.back(), "\"result\":\"CKR_PIN_INCORRECT\"");
  Has(logins.back(), "\"numbers\":{\"left\":0}");
  Has(logins[logins.size() - 2], "\"numbers\":{\"left\":1}");
  Only(*hsm, "role-locked");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
              CKR_PIN_LOCKED);
  }
  EXPECT_EQ(LinesWith(*hsm, "login-refused").size(), 3u);
  ExpectSound(*hsm);
}

TEST(AuditEventsTest, PinReset_IsNoNewRole) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const auto po = hsm.first().Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(po.ok());
  ASSERT_TRUE(hsm.first().InitRole(**po, Role::kCo, Pin("co-pin-2")).ok());
  Has(Only(*hsm, "pin-reset"), "\"role\":\"so\",\"of\":\"co\"");
}

TEST(AuditEventsTest, Objects_AreRecordedWithTheirIdentity) {
  TestHsm hsm(AppSpec());
  Partition& partition = hsm.first();
  const LoginRef co = MakeOfficer(partition);
  NewObject key = SecretKey("1");
  key.making = NewObject::Making::kGenerated;
  const auto handles =
      partition.Create(co.get(), List(std::move(key), Data("label-text")));
  ASSERT_TRUE(handles.ok());
  const auto object = partition.Get(co.get(), (*handles)[0]);
  ASSERT_TRUE(object.ok());
  const std::string ouid = HexOf((*object)->attributes().Value(CKA_OUID));
  const std::string generated = Only(*hsm, "object-generated");
  Has(generated, "\"object\":\"" + ouid + "\"");
  Has(generated, absl::StrCat("\"handle\":", (*handles)[0]));
  Has(generated, absl::StrCat("\"class\":", CKO_SECRET_KEY));
  Has(generated, "\"role\":\"co\"");
  Only(*hsm, "object-created");

  AttributeSet changed = (*object)->attributes();
  changed.SetText(CKA_LABEL, "another");
  ASSERT_TRUE(partition.Replace(co.get(), **object, changed).ok());
  Has(Only(*hsm, "object-changed"), "\"object\":\"" + ouid + "\"");
  ASSERT_TRUE(partition.Destroy(co.get(), (*handles)[0]).ok());
  Has(Only(*hsm, "object-destroyed"), "\"object\":\"" + ouid + "\"");
  ASSERT_TRUE(partition.Clear(co.get()).ok());
  Has(Only(*hsm, "partition-cleared"), "\"objects\":1");
  ExpectSound(*hsm);
}

TEST(AuditEventsTest, WhatFails_IsNotRecorded) {
  TestHsm hsm(AppSpec());
  Partition& partition = hsm.first();
  const LoginRef co = MakeOfficer(partition);
  const std::string before = AuditText(*hsm);
  EXPECT_FALSE(partition.Destroy(co.get(), 4711).ok());
  NewObject large = Data("x", false, std::string(60000, 'x'));
  EXPECT_FALSE(partition.Create(co.get(), List(std::move(large))).ok());
  EXPECT_EQ(AuditText(*hsm), before);
}

TEST(AuditEventsTest, HsmSo_IsRecorded) {
  TestHsm hsm(AppSpec());
  const LoginRef so = LogInSo(*hsm);
  const auto space = hsm->CreatePartition(*so, {.label = "second"});
  ASSERT_TRUE(space.ok());
  const std::string serial = hsm->Find(*space)->Info()->serial;
  ASSERT_TRUE(hsm->ResizePartition(*so, *space, 100000).ok());
  ASSERT_TRUE(hsm->DeletePartition(*so, *space).ok());
  Only(*hsm, "hsm-initialized");
  for (const char* word :
       {"partition-created", "partition-resized", "partition-deleted"}) {
    Has(LinesWith(*hsm, word).back(), "\"partition\":\"" + serial + "\"");
    Has(LinesWith(*hsm, word).back(), "\"role\":\"so\"");
  }
  ASSERT_TRUE(
      hsm->SetPolicies(so.get(), {{hsm_policy::kSoCanResetPin, 0}}, true).ok());
  Has(Only(*hsm, "hsm-policy"), "{\"policy\":15,\"value\":0}");
  ASSERT_TRUE(hsm->FactoryReset().ok());
  Only(*hsm, "factory-reset");
  ExpectSound(*hsm);
}

TEST(AuditEventsTest, Zeroization_LeavesTheLog) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const std::string before = AuditText(*hsm);
  ASSERT_TRUE(hsm->Zeroize().ok());
  Only(*hsm, "hsm-zeroized");
  EXPECT_TRUE(absl::StartsWith(AuditText(*hsm), before));
  ExpectSound(*hsm);
}

TEST(AuditEventsTest, BackupHsm_HasItsOwnLog) {
  TestHsm backup(BackupSpec());
  const LoginRef so = LogInSo(*backup);
  Has(Only(*backup, "hsm-initialized"),
      "\"hsm\":\"" + backup->Info()->serial + "\"");
  ExpectSound(*backup);
}

TEST(AuditEventsTest, UseAndSending_AreRecordedByThoseWhoKnow) {
  TestHsm hsm(AppSpec());
  Partition& partition = hsm.first();
  const LoginRef co = MakeOfficer(partition);
  const auto handles = partition.Create(co.get(), List(SecretKey("1")));
  ASSERT_TRUE(handles.ok());
  const auto key = partition.Get(co.get(), handles->front());
  ASSERT_TRUE(key.ok());
  ASSERT_TRUE(
      partition
          .NoteUse(AuditWord::kKeyUsed, co.get(), **key, CKA_SIGN, CKM_AES_CMAC)
          .ok());
  Has(Only(*hsm, "key-used"),
      absl::StrCat("{\"usage\":", CKA_SIGN, ",\"mechanism\":", CKM_AES_CMAC,
                   "}"));
  ASSERT_TRUE(
      partition.NoteSent(*co, absl::MakeConstSpan(&*key, 1), "1234567").ok());
  Has(Only(*hsm, "object-sent"), "\"peer\":1234567");
  partition.NoteLogout(Role::kCo);
  Has(Only(*hsm, "logout"), "\"role\":\"co\"");
}

TEST(AuditEventsTest, TamperedValues_AreRecordedOnce) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  ASSERT_TRUE(hsm.raw_store()
                  .Write(1,
                         [](Transaction& tx) -> absl::Status {
                           ASSIGN_OR_RETURN(const std::optional<Bytes> value,
                                            tx.GetValue(1, "role/1"));
                           Bytes altered = value.value_or(Bytes(20));
                           altered[10] ^= 1;
                           return tx.PutValue(1, "role/1", altered);
                         })
                  .ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
              CKR_DEVICE_ERROR);
  }
  Has(Only(*hsm, "integrity"), "\"result\":\"CKR_DEVICE_ERROR\"");
}

// A PIN that is right and one that is wrong must not differ where the log
// refuses both.
TEST(AuditEventsTest, FullClosedLog_DoesNotTellAPin) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  AuditSettings settings;
  settings.standard.mode = Mode::kClosed;
  settings.limit = 1;
  hsm->audit().Configure(settings);
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_DEVICE_MEMORY);
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong"))), CKR_DEVICE_MEMORY);
  EXPECT_EQ(
      Rv(hsm.first().ChangePin(Role::kCo, Pin("co-pin-1"), Pin("co-pin-2"))),
      CKR_DEVICE_MEMORY);
  EXPECT_TRUE(hsm->Zeroize().ok());
}

TEST(AuditEventsTest, FullClosedLog_RefusesAChangeWhole) {
  TestHsm hsm(AppSpec());
  const LoginRef co = MakeOfficer(hsm.first());
  AuditSettings settings;
  settings.partitions[1].mode = Mode::kClosed;
  settings.limit = 1;
  hsm->audit().Configure(settings);
  EXPECT_EQ(Rv(hsm.first().Create(co.get(), List(Data("x")))),
            CKR_DEVICE_MEMORY);
  EXPECT_EQ(hsm.first().Storage()->objects, 0u);
}

TEST(AuditEventsTest, Off_StopsNothingAndRecordsNothing) {
  TestHsm hsm(AppSpec());
  AuditSettings settings;
  settings.standard.mode = Mode::kOff;
  hsm->audit().Configure(settings);
  const LoginRef co = MakeOfficer(hsm.first());
  EXPECT_TRUE(hsm.first().Create(co.get(), List(Data("x"))).ok());
  const std::vector<std::string> lines = LinesOf(AuditText(*hsm));
  EXPECT_EQ(lines.size(), 4u);
  Has(lines.back(), "\"event\":\"settings\"");
}

TEST(AuditEventsTest, Secrets_AreInNoLine) {
  TestHsm hsm(AppSpec());
  Partition& partition = hsm.first();
  const LoginRef so = LogInSo(*hsm, "so-secret-pin");
  ASSERT_TRUE(partition
                  .Init("label-text", Pin("po-secret-pin"),
                        base::AsBytes("secret-domain"))
                  .ok());
  const auto po = partition.Unlock(Role::kSo, Pin("po-secret-pin"));
  ASSERT_TRUE(po.ok());
  ASSERT_TRUE(partition.InitRole(**po, Role::kCo, Pin("co-secret-pin")).ok());
  const auto co = partition.Unlock(Role::kCo, Pin("co-secret-pin"));
  ASSERT_TRUE(co.ok());
  EXPECT_FALSE(partition.Unlock(Role::kCo, Pin("wrong-secret-pin")).ok());
  ASSERT_TRUE(partition
                  .Create(co->get(), List(SecretKey("key-id-text"),
                                          Data("data-label", true, "contents")))
                  .ok());
  ASSERT_TRUE(hsm->audit().Checkpoint(true).ok());
  const std::string text = AuditText(*hsm);
  EXPECT_GT(LinesOf(text).size(), 10u);
  for (const std::string secret :
       {"so-secret-pin", "po-secret-pin", "co-secret-pin", "wrong-secret-pin",
        "secret-domain", "key-id-text", "data-label", "label-text", "contents",
        "0123456789abcdef0123456789abcdef"}) {
    EXPECT_FALSE(absl::StrContains(text, secret)) << secret;
    EXPECT_FALSE(absl::StrContains(text, absl::BytesToHexString(secret)));
    EXPECT_FALSE(absl::StrContains(text, absl::Base64Escape(secret)));
  }
}

TEST(AuditEventsTest, EachWord_IsOnThePage) {
  std::ifstream in("docs/AUDIT.md");
  std::ostringstream page;
  page << in.rdbuf();
  for (const AuditWordRow& row : AuditWords()) {
    EXPECT_TRUE(absl::StrContains(page.str(), absl::StrCat("`", row.word, "`")))
        << row.word;
  }
}

}  // namespace
}  // namespace hsm
