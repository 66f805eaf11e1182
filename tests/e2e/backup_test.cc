// Backup and restore of partitions, as PERIGEE_Transfer between two sessions.
#include "tests/e2e/bench.h"

namespace e2e {
namespace {

class BackupTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_ALL_LINKS(BackupTest);

TEST_P(BackupTest, WholePartition_ComesBackWithEveryAttribute) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const size_t count = MakeEveryKind(bench.host, app).size();
  ASSERT_EQ(count, 21u);
  const auto before = ReadPartition(bench.host, app);
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive), count);

  EXPECT_OK(bench.host.perigee().ClearPartition(app));
  EXPECT_EQ(bench.host.Find(app).size(), 0u);
  ExpectAllStored(bench.host.Transfer(archive, app), count);
  EXPECT_EQ(ReadPartition(bench.host, app), before);
}

TEST_P(BackupTest, RestoredKeys_DoWhatTheyDid) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const KeyPair ec = GenerateEcPair(bench.host, app, "ec");
  const KeyPair rsa = GenerateRsaPair(bench.host, app, "rsa");
  const CK_OBJECT_HANDLE aes = GenerateAes(bench.host, app, "aes");
  const Bytes ec_old = Sign(bench.host, app, CKM_ECDSA_SHA256, ec.private_key);
  const Bytes rsa_old =
      Sign(bench.host, app, CKM_SHA256_RSA_PKCS, rsa.private_key);
  const Bytes sealed = Encrypt(bench.host, app, aes);
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive), 5);

  // Into another partition, made from nothing.
  EXPECT_OK(bench.host.c().C_CloseSession(app));
  bench.host.InitPartition(bench.host.partition());
  const CK_SESSION_HANDLE fresh = bench.Officer();
  ExpectAllStored(bench.host.Transfer(archive, fresh), 5);
  const auto key = [&](CK_OBJECT_CLASS what, const char* label) {
    return Only(bench.host, fresh, what, label);
  };
  EXPECT_OK(Verify(bench.host, fresh, CKM_ECDSA_SHA256,
                   key(CKO_PUBLIC_KEY, "ec"), ec_old));
  EXPECT_OK(Verify(
      bench.host, fresh, CKM_ECDSA_SHA256, key(CKO_PUBLIC_KEY, "ec"),
      Sign(bench.host, fresh, CKM_ECDSA_SHA256, key(CKO_PRIVATE_KEY, "ec"))));
  EXPECT_EQ(
      Sign(bench.host, fresh, CKM_SHA256_RSA_PKCS, key(CKO_PRIVATE_KEY, "rsa")),
      rsa_old);
  EXPECT_EQ(Encrypt(bench.host, fresh, key(CKO_SECRET_KEY, "aes")), sealed);
}

TEST_P(BackupTest, WhatAnotherProcessBackedUp_IsThere) {
  Bench bench(GetParam());
  {
    const CK_SESSION_HANDLE app = bench.Officer();
    bench.host.Create(app, Note("a"));
    ExpectAllStored(bench.host.Transfer(app, bench.NewArchive()), 1);
  }
  bench.host.Reload();
  const CK_SESSION_HANDLE archive =
      bench.host.OpenArchive(bench.host.backup(), bench.ContainerOf("archive"));
  const auto found = bench.host.Find(archive);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(bench.host.Get(archive, found[0], CKA_LABEL), Bytes{'a'});
}

TEST_P(BackupTest, SelectedObjects_GoAndNoOthers) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_OBJECT_HANDLE b = bench.host.Create(app, Note("b"));
  const CK_OBJECT_HANDLE c = bench.host.Create(app, Note("c"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive, 0, {c, b}), 2);
  EXPECT_EQ(bench.host.Find(archive).size(), 2u);
  EXPECT_EQ(bench.host.Find(archive, Note("a").Without(CKA_VALUE)).size(), 0u);
}

TEST_P(BackupTest, ReportsObjects_InTheOrderThatWasAsked) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_OBJECT_HANDLE a = bench.host.Create(app, Note("a"));
  const CK_OBJECT_HANDLE b = bench.host.Create(app, Note("b"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const Report report = bench.host.Transfer(app, archive, 0, {b, a});
  ExpectAllStored(report, 2);
  EXPECT_EQ(report.items[0].hSource, b);
  EXPECT_EQ(report.items[1].hSource, a);
  EXPECT_EQ(Bytes(report.items[0].ouid, report.items[0].ouid + 12),
            bench.host.Ouid(app, b));
  EXPECT_EQ(bench.host.Get(archive, report.items[0].hTarget, CKA_LABEL),
            Bytes{'b'});
}

TEST_P(BackupTest, ObjectThatIsNotThere_IsLeftOutAndSaid) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_OBJECT_HANDLE a = bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const Report report = bench.host.Transfer(
      app, archive, PERIGEE_TRANSFER_CONTINUE_ON_ERROR, {0x12345, a});
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, report.rv);
  ASSERT_EQ(report.items.size(), 2u);
  EXPECT_EQ(report.items[0].ulOutcome, PERIGEE_OUTCOME_LEFT_OUT);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, report.items[0].rv);
  EXPECT_EQ(report.items[1].ulOutcome, PERIGEE_OUTCOME_STORED);
}

TEST_P(BackupTest, SessionObjects_AreNotBackedUp) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("passing").Bool(CKA_TOKEN, false));
  bench.host.Create(app, Note("staying"));
  ExpectAllStored(bench.host.Transfer(app, bench.NewArchive()), 1);
}

TEST_P(BackupTest, UnchangedPartition_IsNotCopiedAgain) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const size_t count = MakeEveryKind(bench.host, app).size();
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive), count);
  const Report again = bench.host.Transfer(app, archive);
  EXPECT_OK(again.rv);
  EXPECT_EQ(again.Count(PERIGEE_OUTCOME_PRESENT), count);
  EXPECT_EQ(bench.host.Find(archive).size(), count);
  const Report back = bench.host.Transfer(archive, app);
  EXPECT_OK(back.rv);
  EXPECT_EQ(back.Count(PERIGEE_OUTCOME_PRESENT), count);
  EXPECT_EQ(bench.host.Find(app).size(), count);
}

// So many that the target is asked first which it has.
TEST_P(BackupTest, OfManyObjects_OnlyTheChangedOneIsCopied) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  constexpr size_t kCount = 40;
  for (size_t i = 0; i < kCount; ++i) {
    bench.host.Create(app, Note("note " + std::to_string(i)));
  }
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive), kCount);
  const Template after = Template().Text(CKA_LABEL, "after");
  const CK_OBJECT_HANDLE changed = bench.host.Find(app).at(7);
  EXPECT_OK(bench.host.c().C_SetAttributeValue(app, changed, after.data(),
                                               after.size()));
  const Report again =
      bench.host.Transfer(app, archive, PERIGEE_TRANSFER_REPLACE);
  EXPECT_OK(again.rv);
  EXPECT_EQ(again.Count(PERIGEE_OUTCOME_PRESENT), kCount - 1);
  EXPECT_EQ(again.Count(PERIGEE_OUTCOME_REPLACED), 1u);
  EXPECT_EQ(again.items.at(7).ulOutcome, PERIGEE_OUTCOME_REPLACED);
  EXPECT_EQ(bench.host.Get(archive, again.items.at(7).hTarget, CKA_LABEL),
            (Bytes{'a', 'f', 't', 'e', 'r'}));
  // Each item tells of its own object.
  for (const PERIGEE_TRANSFER_ITEM& item : again.items) {
    EXPECT_EQ(bench.host.Get(archive, item.hTarget, CKA_LABEL),
              bench.host.Get(app, item.hSource, CKA_LABEL));
    EXPECT_EQ(Bytes(item.ouid, item.ouid + sizeof item.ouid),
              bench.host.Get(app, item.hSource, CKA_OUID));
  }

  // And back: what the archive lacks for the partition goes the long way once.
  EXPECT_OK(bench.host.c().C_DestroyObject(app, bench.host.Find(app).at(3)));
  for (const size_t stored : {1, 0}) {
    const Report back = bench.host.Transfer(archive, app);
    EXPECT_OK(back.rv);
    EXPECT_EQ(back.Count(PERIGEE_OUTCOME_STORED), stored);
    EXPECT_EQ(back.Count(PERIGEE_OUTCOME_PRESENT), kCount - stored);
  }
  EXPECT_EQ(bench.host.Find(app).size(), kCount);
}

TEST_P(BackupTest, Append_AddsOnlyWhatIsMissing) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive), 1);
  bench.host.Create(app, Note("b"));
  const Report report = bench.host.Transfer(app, archive);
  EXPECT_OK(report.rv);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_PRESENT), 1u);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), 1u);
  EXPECT_EQ(bench.host.Find(archive).size(), 2u);
}

// A changed object: the archive holds "before", the partition "after".
struct Changed {
  explicit Changed(Bench& bench) {
    app = bench.Officer();
    const CK_OBJECT_HANDLE object = bench.host.Create(app, Note("before"));
    archive = bench.NewArchive();
    ExpectAllStored(bench.host.Transfer(app, archive), 1);
    const Template after = Template().Text(CKA_LABEL, "after");
    EXPECT_OK(bench.host.c().C_SetAttributeValue(app, object, after.data(),
                                                 after.size()));
  }
  static std::string Label(const Host& host, CK_SESSION_HANDLE session) {
    const auto found = host.Find(session);
    EXPECT_EQ(found.size(), 1u);
    const Bytes label = host.Get(session, found.at(0), CKA_LABEL);
    return std::string(label.begin(), label.end());
  }
  CK_SESSION_HANDLE app = 0, archive = 0;
};

TEST_P(BackupTest, ChangedObject_IsRefusedWithoutReplace) {
  Bench bench(GetParam());
  const Changed changed(bench);
  const Report report = bench.host.Transfer(changed.app, changed.archive);
  EXPECT_RV(CKR_OBJECT_ALREADY_EXISTS, report.rv);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_REFUSED), 1u);
  EXPECT_STREQ(report.items.at(0).reason, "conflict");
  EXPECT_EQ(Changed::Label(bench.host, changed.archive), "before");
}

TEST_P(BackupTest, ChangedObject_IsReplacedInTheBackup) {
  Bench bench(GetParam());
  const Changed changed(bench);
  const Report report = bench.host.Transfer(changed.app, changed.archive,
                                            PERIGEE_TRANSFER_REPLACE);
  EXPECT_OK(report.rv);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_REPLACED), 1u);
  EXPECT_EQ(Changed::Label(bench.host, changed.archive), "after");
}

TEST_P(BackupTest, ChangedObject_IsReplacedByARestore) {
  Bench bench(GetParam());
  const Changed changed(bench);
  const Report refused = bench.host.Transfer(changed.archive, changed.app);
  EXPECT_RV(CKR_OBJECT_ALREADY_EXISTS, refused.rv);
  EXPECT_EQ(Changed::Label(bench.host, changed.app), "after");
  const Report report = bench.host.Transfer(changed.archive, changed.app,
                                            PERIGEE_TRANSFER_REPLACE);
  EXPECT_OK(report.rv);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_REPLACED), 1u);
  EXPECT_EQ(Changed::Label(bench.host, changed.app), "before");
}

TEST_P(BackupTest, ManyObjects_GoInOneRun) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  for (int i = 0; i < 300; ++i) {
    bench.host.Create(app, Note("note " + std::to_string(i)));
  }
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(app, archive), 300);
  EXPECT_EQ(bench.host.Find(archive).size(), 300u);
}

// --- domains -----------------------------------------------------------------

TEST_P(BackupTest, WrongDomain_IsRefusedAndTheTargetUnchanged) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.host.OpenArchive(
      bench.host.backup(),
      bench.host.MakeContainer(bench.host.backup(), "x", kOtherDomain));
  const Report report = bench.host.Transfer(app, archive);
  EXPECT_RV(CKR_CERTIFICATE_INVALID, report.rv) << report.error;
  EXPECT_EQ(CK_RV{CKR_CERTIFICATE_INVALID}, 0x8000000Bu);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), 0u);
  EXPECT_EQ(bench.host.Find(archive).size(), 0u);
  EXPECT_EQ(bench.host.Find(app).size(), 1u);
}

TEST_P(BackupTest, RestoreToAnotherDomain_IsRefusedAndTheTargetUnchanged) {
  Plan plan = DefaultPlan(GetParam());
  plan.apps[0].partitions = {"", ""};
  Site site(plan);
  Host host(site);
  host.InitPartition(0);
  host.InitPartition(1, kOtherDomain);
  host.InitHsm(host.backup());
  const CK_SESSION_HANDLE app = host.Officer(0);
  host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive =
      host.OpenArchive(host.backup(), host.MakeContainer(host.backup()));
  ExpectAllStored(host.Transfer(app, archive), 1);
  const CK_SESSION_HANDLE other = host.Officer(1);
  EXPECT_RV(CKR_CERTIFICATE_INVALID, host.Transfer(archive, other).rv);
  EXPECT_EQ(host.Find(other).size(), 0u);
}

TEST_P(BackupTest, SourceWithoutDomain_IsRefusedUntilItHasOne) {
  Site site(DefaultPlan(GetParam()));
  Host host(site);
  host.InitPartition(0, "");
  host.InitHsm(host.backup());
  const CK_SESSION_HANDLE app = host.Officer(0);
  host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive =
      host.OpenArchive(host.backup(), host.MakeContainer(host.backup()));
  EXPECT_RV(CKR_CLONING_PARAMETER_MISSING, host.Transfer(app, archive).rv);
  std::string domain = kDomain;
  auto* const bytes = reinterpret_cast<CK_BYTE*>(domain.data());
  EXPECT_OK(host.ca().CA_SetKCV(app, bytes, domain.size()));
  EXPECT_RV(CKR_CLONING_PARAMETER_ALREADY_EXISTS,
            host.ca().CA_SetKCV(app, bytes, domain.size()));
  ExpectAllStored(host.Transfer(app, archive), 1);
}

TEST_P(BackupTest, TargetWithoutDomain_IsRefused) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.host.OpenArchive(
      bench.host.backup(),
      bench.host.MakeContainer(bench.host.backup(), "x", ""));
  EXPECT_RV(CKR_CLONING_PARAMETER_MISSING,
            bench.host.Transfer(app, archive).rv);
  EXPECT_EQ(bench.host.Find(archive).size(), 0u);
}

// --- logins, arguments, progress ---------------------------------------------

TEST_P(BackupTest, WithoutOfficers_IsRefused) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_ULONG container = bench.host.MakeContainer(bench.host.backup());
  const CK_SESSION_HANDLE nobody =
      bench.host.OpenContainer(bench.host.backup(), container);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, bench.host.Transfer(app, nobody).rv);
  EXPECT_OK(bench.host.TryLogin(nobody, CKU_USER, kOfficerPin));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, bench.host.Transfer(app, 0x777).rv);
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, bench.host.Transfer(0x777, nobody).rv);
  EXPECT_OK(bench.host.c().C_Logout(app));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, bench.host.Transfer(app, nobody).rv);
  EXPECT_EQ(bench.host.Find(nobody).size(), 0u);
}

TEST_P(BackupTest, ToTheHsmItself_IsRefused) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  EXPECT_RV(
      CKR_CONTAINER_HANDLE_INVALID,
      bench.host.Transfer(app, bench.host.SecurityOfficer(bench.host.backup()))
          .rv);
}

TEST_P(BackupTest, ListOnly_CarriesNothingAndTellsTheCost) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a", std::string(3000, 'x')));
  bench.host.Create(app, Note("b"));
  const Report report =
      bench.host.Transfer(app, CK_INVALID_HANDLE, PERIGEE_TRANSFER_LIST_ONLY);
  EXPECT_OK(report.rv);
  ASSERT_EQ(report.items.size(), 2u);
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_NOT_TRIED), 2u);
  EXPECT_GT(report.items[0].ulCost, report.items[1].ulCost + 2900);
  CK_ULONG size = 0;
  EXPECT_OK(
      bench.host.c().C_GetObjectSize(app, report.items[0].hSource, &size));
  EXPECT_EQ(size, report.items[0].ulCost);
}

TEST_P(BackupTest, ReportWithoutRoom_DoesNothing) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  bench.host.Create(app, Note("b"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  PERIGEE_TRANSFER_ITEM one = {};
  PERIGEE_TRANSFER transfer = {};
  transfer.ulSize = sizeof transfer;
  transfer.pItems = &one;
  transfer.ulItemSize = sizeof one;
  transfer.ulItemRoom = 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            bench.host.perigee().Transfer(app, archive, &transfer));
  EXPECT_EQ(transfer.ulItemCount, 2u);
  EXPECT_EQ(bench.host.Find(archive).size(), 0u);
}

struct Progress {
  std::vector<CK_ULONG> done;
  bool cancel = false;
  static CK_RV Note(void* context, CK_ULONG done, CK_ULONG total) {
    auto& self = *static_cast<Progress*>(context);
    EXPECT_EQ(total, 300u);
    self.done.push_back(done);
    return self.cancel ? CKR_CANCEL : CKR_OK;
  }
};

CK_RV TransferWithProgress(const Host& host, CK_SESSION_HANDLE from,
                           CK_SESSION_HANDLE to, Progress& progress) {
  PERIGEE_TRANSFER transfer = {};
  transfer.ulSize = sizeof transfer;
  transfer.pProgress = Progress::Note;
  transfer.pContext = &progress;
  return host.perigee().Transfer(from, to, &transfer);
}

TEST_P(BackupTest, Progress_IsToldAndCanCancel) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  for (int i = 0; i < 300; ++i) {
    bench.host.Create(app, Note("note " + std::to_string(i)));
  }
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  Progress cancelled;
  cancelled.cancel = true;
  EXPECT_RV(CKR_FUNCTION_CANCELED,
            TransferWithProgress(bench.host, app, archive, cancelled));
  ASSERT_EQ(cancelled.done.size(), 1u);
  EXPECT_LT(cancelled.done[0], 300u);
  EXPECT_EQ(bench.host.Find(archive).size(), cancelled.done[0]);

  Progress whole;
  EXPECT_OK(TransferWithProgress(bench.host, app, archive, whole));
  ASSERT_GE(whole.done.size(), 2u);
  EXPECT_EQ(whole.done.back(), 300u);
  EXPECT_TRUE(std::is_sorted(whole.done.begin(), whole.done.end()));
  EXPECT_EQ(bench.host.Find(archive).size(), 300u);
}

}  // namespace
}  // namespace e2e
