// Cloning by hand (the four CA_ steps), CA_CloneObject and CA_MigrateKeys:
// between partitions of one HSM, of two HSMs, and of two hosts' HSMs.
#include <filesystem>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

// One end of a clone: a session in a library.
struct End {
  const Host* host;
  CK_SESSION_HANDLE session;
};

CK_RV SourceInit(const End& source, Bytes& hello) {
  CK_ULONG size = 0;
  CK_RV rv = source.host->ca().CA_CloneAsSourceInit(source.session, nullptr, 0,
                                                    nullptr, &size, CK_FALSE);
  if (rv != CKR_OK) return rv;
  hello.resize(size);
  rv = source.host->ca().CA_CloneAsSourceInit(source.session, nullptr, 0,
                                              hello.data(), &size, CK_FALSE);
  hello.resize(size);
  return rv;
}

CK_RV TargetInit(const End& target, Bytes hello, Bytes& reply) {
  CK_ULONG size = 0;
  CK_RV rv = target.host->ca().CA_CloneAsTargetInit(
      target.session, hello.data(), hello.size(), nullptr, 0, CK_FALSE, nullptr,
      &size);
  if (rv != CKR_OK) return rv;
  reply.resize(size);
  rv = target.host->ca().CA_CloneAsTargetInit(target.session, hello.data(),
                                              hello.size(), nullptr, 0,
                                              CK_FALSE, reply.data(), &size);
  reply.resize(size);
  return rv;
}

CK_RV AsSource(const End& source, CK_OBJECT_HANDLE object, Bytes reply,
               Bytes& sealed) {
  CK_ULONG size = 0;
  CK_RV rv = source.host->ca().CA_CloneAsSource(
      source.session, CK_CRYPTOKI_ELEMENT, object, reply.data(), reply.size(),
      CK_FALSE, nullptr, &size);
  if (rv != CKR_OK) return rv;
  sealed.resize(size);
  rv = source.host->ca().CA_CloneAsSource(source.session, CK_CRYPTOKI_ELEMENT,
                                          object, reply.data(), reply.size(),
                                          CK_FALSE, sealed.data(), &size);
  sealed.resize(size);
  return rv;
}

CK_RV AsTarget(const End& target, Bytes sealed, CK_OBJECT_HANDLE& object) {
  return target.host->ca().CA_CloneAsTarget(
      target.session, nullptr, 0, sealed.data(), sealed.size(),
      CK_CRYPTOKI_ELEMENT, 0, CK_FALSE, &object);
}

// All four for one object; the first answer that is not CKR_OK.
CK_RV CloneByHand(const End& source, const End& target, CK_OBJECT_HANDLE object,
                  CK_OBJECT_HANDLE& made) {
  Bytes hello, reply, sealed;
  CK_RV rv = SourceInit(source, hello);
  if (rv == CKR_OK) rv = TargetInit(target, hello, reply);
  if (rv == CKR_OK) rv = AsSource(source, object, reply, sealed);
  if (rv == CKR_OK) rv = AsTarget(target, sealed, made);
  return rv;
}

void ExpectClones(const End& source, const End& target) {
  const auto objects = MakeEveryKind(*source.host, source.session);
  for (const CK_OBJECT_HANDLE object : objects) {
    CK_OBJECT_HANDLE made = 0;
    EXPECT_OK(CloneByHand(source, target, object, made))
        << source.host->library().LastError();
    EXPECT_EQ(target.host->Ouid(target.session, made),
              source.host->Ouid(source.session, object));
  }
  EXPECT_EQ(ReadPartition(*target.host, target.session),
            ReadPartition(*source.host, source.session));
}

Plan TwoPartitions() {
  Plan plan;
  plan.apps[0].partitions = {"", ""};
  return plan;
}

TEST(CloneTest, ByHand_BetweenPartitionsOfOneHsm) {
  Bench bench(TwoPartitions());
  ExpectClones({&bench.host, bench.Officer(0)},
               {&bench.host, bench.Officer(1)});
}

TEST(CloneTest, ByHand_BetweenTwoHsms) {
  Plan plan;
  plan.apps.emplace_back().name = "other";
  Bench bench(plan);
  ExpectClones({&bench.host, bench.Officer(0)},
               {&bench.host, bench.Officer(1)});
}

// Two configurations with one fleet root, in two copies of the library.
TEST(CloneTest, ByHand_BetweenTwoConfigurations) {
  Bench bench((Plan()));
  Site other_site((Plan()));
  std::filesystem::create_directory(other_site.state());
  std::filesystem::copy(bench.site.state() + "/fleet",
                        other_site.state() + "/fleet");
  Host other(other_site, Library::Second());
  other.InitPartition(0);
  ExpectClones({&bench.host, bench.Officer(0)}, {&other, other.Officer(0)});
}

TEST(CloneTest, ByHand_BetweenTwoFleets_IsRefused) {
  Bench bench((Plan()));
  Site other_site((Plan()));
  Host other(other_site, Library::Second());
  other.InitPartition(0);
  const CK_SESSION_HANDLE source = bench.Officer(0);
  const CK_OBJECT_HANDLE object = bench.host.Create(source, Note("a"));
  const CK_SESSION_HANDLE target = other.Officer(0);
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_DEVICE_ERROR,
            CloneByHand({&bench.host, source}, {&other, target}, object, made));
  EXPECT_EQ(other.Find(target).size(), 0u);
}

TEST(CloneTest, ByHand_SameReplyGoesOnWithItsRun) {
  Bench bench(TwoPartitions());
  const End source{&bench.host, bench.Officer(0)};
  const End target{&bench.host, bench.Officer(1)};
  Bytes hello, reply;
  ASSERT_OK(SourceInit(source, hello));
  ASSERT_OK(TargetInit(target, hello, reply));
  for (int i = 0; i < 3; ++i) {
    const CK_OBJECT_HANDLE object =
        bench.host.Create(source.session, Note(std::to_string(i)));
    Bytes sealed;
    CK_OBJECT_HANDLE made = 0;
    ASSERT_OK(AsSource(source, object, reply, sealed));
    ASSERT_OK(AsTarget(target, sealed, made));
  }
  EXPECT_EQ(bench.host.Find(target.session).size(), 3u);
}

TEST(CloneTest, ByHand_RepeatedRecord_IsRefused) {
  Bench bench(TwoPartitions());
  const End source{&bench.host, bench.Officer(0)};
  const End target{&bench.host, bench.Officer(1)};
  const CK_OBJECT_HANDLE object = bench.host.Create(source.session, Note("a"));
  Bytes hello, reply, sealed;
  ASSERT_OK(SourceInit(source, hello));
  ASSERT_OK(TargetInit(target, hello, reply));
  ASSERT_OK(AsSource(source, object, reply, sealed));
  CK_OBJECT_HANDLE made = 0;
  ASSERT_OK(AsTarget(target, sealed, made));
  ASSERT_OK(bench.host.c().C_DestroyObject(target.session, made));
  EXPECT_NE(AsTarget(target, sealed, made), CK_RV{CKR_OK});
  EXPECT_EQ(bench.host.Find(target.session).size(), 0u);
}

TEST(CloneTest, ByHand_AlteredMessages_AreRefused) {
  Bench bench(TwoPartitions());
  const End source{&bench.host, bench.Officer(0)};
  const End target{&bench.host, bench.Officer(1)};
  const CK_OBJECT_HANDLE object = bench.host.Create(source.session, Note("a"));
  // One flipped bit in every 37th byte of each message.
  for (int which = 0; which < 3; ++which) {
    for (size_t at = 0;; at += 37) {
      Bytes hello, reply, sealed;
      CK_OBJECT_HANDLE made = 0;
      ASSERT_OK(SourceInit(source, hello));
      Bytes* message = which == 0 ? &hello : which == 1 ? &reply : &sealed;
      const auto flip = [&](Bytes& bytes) {
        if (message == &bytes && at < bytes.size()) bytes[at] ^= 0x10;
      };
      flip(hello);
      CK_RV rv = TargetInit(target, hello, reply);
      flip(reply);
      if (rv == CKR_OK) rv = AsSource(source, object, reply, sealed);
      flip(sealed);
      if (rv == CKR_OK) rv = AsTarget(target, sealed, made);
      if (message->empty() || at >= message->size()) {
        EXPECT_OK(rv);
        break;
      }
      EXPECT_NE(rv, CK_RV{CKR_OK}) << "message " << which << " byte " << at;
      EXPECT_EQ(bench.host.Find(target.session).size(), 0u);
    }
    ASSERT_OK(bench.host.perigee().ClearPartition(target.session));
  }
}

TEST(CloneTest, ByHand_WrongOrder_IsRefused) {
  Bench bench(TwoPartitions());
  const End source{&bench.host, bench.Officer(0)};
  const End target{&bench.host, bench.Officer(1)};
  const CK_OBJECT_HANDLE object = bench.host.Create(source.session, Note("a"));
  Bytes hello, reply, sealed(100, 1);
  CK_OBJECT_HANDLE made = 0;
  EXPECT_NE(AsTarget(target, sealed, made), CK_RV{CKR_OK});
  EXPECT_NE(AsSource(source, object, Bytes(100, 1), sealed), CK_RV{CKR_OK});
  ASSERT_OK(SourceInit(source, hello));
  // Its own hello is not a reply, and a reply not a hello.
  EXPECT_NE(AsSource(source, object, hello, sealed), CK_RV{CKR_OK});
  ASSERT_OK(SourceInit(source, hello));
  ASSERT_OK(TargetInit(target, hello, reply));
  Bytes second;
  EXPECT_NE(TargetInit(target, reply, second), CK_RV{CKR_OK});
}

TEST(CloneTest, ByHand_BackToItself_IsRefused) {
  Bench bench((Plan()));
  const End self{&bench.host, bench.Officer(0)};
  const CK_OBJECT_HANDLE object = bench.host.Create(self.session, Note("a"));
  CK_OBJECT_HANDLE made = 0;
  const CK_RV rv = CloneByHand(self, self, object, made);
  // A partition may be offered its own objects; it has them then.
  if (rv == CKR_OK) {
    EXPECT_EQ(made, object);
  }
  EXPECT_EQ(bench.host.Find(self.session).size(), 1u);
}

TEST(CloneTest, ByHand_WrongDomain_IsRefusedBeforeAnObjectLeaves) {
  Site site(TwoPartitions());
  Host host(site);
  host.InitPartition(0);
  host.InitPartition(1, kOtherDomain);
  const End source{&host, host.Officer(0)}, target{&host, host.Officer(1)};
  const CK_OBJECT_HANDLE object = host.Create(source.session, Note("a"));
  Bytes hello, reply, sealed;
  ASSERT_OK(SourceInit(source, hello));
  const CK_RV joined = TargetInit(target, hello, reply);
  if (joined == CKR_OK) {
    EXPECT_RV(CKR_CERTIFICATE_INVALID, AsSource(source, object, reply, sealed));
    EXPECT_TRUE(sealed.empty());
  } else {
    EXPECT_RV(CKR_CERTIFICATE_INVALID, joined);
  }
  EXPECT_EQ(host.Find(target.session).size(), 0u);
}

TEST(CloneTest, ByHand_EndsWithTheLogin) {
  Bench bench(TwoPartitions());
  const End source{&bench.host, bench.Officer(0)};
  const End target{&bench.host, bench.Officer(1)};
  const CK_OBJECT_HANDLE object = bench.host.Create(source.session, Note("a"));
  Bytes hello, reply, sealed;
  ASSERT_OK(SourceInit(source, hello));
  ASSERT_OK(TargetInit(target, hello, reply));
  ASSERT_OK(bench.host.c().C_Logout(source.session));
  ASSERT_OK(bench.host.TryLogin(source.session, CKU_USER, kOfficerPin));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            AsSource(source, object, reply, sealed));
}

class CloneBothWaysTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_ALL_LINKS(CloneBothWaysTest);

TEST_P(CloneBothWaysTest, ByHand_ToTheBackupHsmAndBack) {
  Bench bench(GetParam());
  const End app{&bench.host, bench.Officer()};
  const End archive{&bench.host, bench.NewArchive()};
  const auto objects = MakeEveryKind(bench.host, app.session);
  const auto before = ReadPartition(bench.host, app.session);
  std::vector<CK_OBJECT_HANDLE> there;
  for (const CK_OBJECT_HANDLE object : objects) {
    ASSERT_OK(CloneByHand(app, archive, object, there.emplace_back()))
        << bench.host.library().LastError();
  }
  ASSERT_OK(bench.host.perigee().ClearPartition(app.session));
  for (const CK_OBJECT_HANDLE object : there) {
    CK_OBJECT_HANDLE made = 0;
    ASSERT_OK(CloneByHand(archive, app, object, made))
        << bench.host.library().LastError();
  }
  EXPECT_EQ(ReadPartition(bench.host, app.session), before);
}

TEST_P(CloneBothWaysTest, CloneObject_TakesTheTargetFirst) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const auto objects = MakeEveryKind(bench.host, app);
  const auto before = ReadPartition(bench.host, app);
  for (const CK_OBJECT_HANDLE object : objects) {
    CK_OBJECT_HANDLE made = 0;
    ASSERT_OK(bench.host.ca().CA_CloneObject(archive, app, CK_CRYPTOKI_ELEMENT,
                                             object, &made));
    // Again: it is there, and its handle is told.
    CK_OBJECT_HANDLE again = 0;
    ASSERT_OK(bench.host.ca().CA_CloneObject(archive, app, CK_CRYPTOKI_ELEMENT,
                                             object, &again));
    EXPECT_EQ(again, made);
  }
  EXPECT_EQ(bench.host.Find(archive).size(), objects.size());
  ASSERT_OK(bench.host.perigee().ClearPartition(app));
  for (const CK_OBJECT_HANDLE object : bench.host.Find(archive)) {
    CK_OBJECT_HANDLE made = 0;
    ASSERT_OK(bench.host.ca().CA_CloneObject(app, archive, CK_CRYPTOKI_ELEMENT,
                                             object, &made));
  }
  EXPECT_EQ(ReadPartition(bench.host, app), before);
}

TEST_P(CloneBothWaysTest, CloneObject_OfAnotherKindOrNone_IsRefused) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const CK_OBJECT_HANDLE object = bench.host.Create(app, Note("a"));
  CK_OBJECT_HANDLE made = 0;
  EXPECT_RV(CKR_OBJECT_TYPE_INVALID,
            bench.host.ca().CA_CloneObject(archive, app, 77, object, &made));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
            bench.host.ca().CA_CloneObject(archive, app, CK_CRYPTOKI_ELEMENT,
                                           0x12345, &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            bench.host.ca().CA_CloneObject(archive, app, CK_CRYPTOKI_ELEMENT,
                                           object, nullptr));
  EXPECT_EQ(bench.host.Find(archive).size(), 0u);
}

// --- CA_MigrateKeys ----------------------------------------------------------

CK_OBJECT_MIGRATION_DATA Item(CK_ULONG handle,
                              CK_ULONG type = CK_CRYPTOKI_ELEMENT) {
  return {type, handle, 0x5555, 0x5555};
}

TEST_P(CloneBothWaysTest, MigrateKeys_TellsOfEachItem) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const KeyPair pair = GenerateEcPair(bench.host, app, "ec");
  std::vector<CK_OBJECT_MIGRATION_DATA> items = {Item(pair.public_key),
                                                 Item(pair.private_key)};
  EXPECT_OK(bench.host.ca().CA_MigrateKeys(app, archive, 0, items.size(),
                                           items.data()));
  for (const auto& item : items) {
    EXPECT_OK(item.rv);
    EXPECT_EQ(bench.host.Ouid(archive, item.targetHandle),
              bench.host.Ouid(app, item.sourceHandle));
  }
}

TEST_P(CloneBothWaysTest, MigrateKeys_GoesOnWithTheFlag) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const CK_OBJECT_HANDLE a = bench.host.Create(app, Note("a"));
  std::vector<CK_OBJECT_MIGRATION_DATA> items = {Item(0x12345), Item(a, 77),
                                                 Item(a)};
  EXPECT_OK(bench.host.ca().CA_MigrateKeys(app, archive, CKF_CONTINUE_ON_ERR,
                                           items.size(), items.data()));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, items[0].rv);
  EXPECT_EQ(items[0].targetHandle, 0u);
  EXPECT_RV(CKR_OBJECT_TYPE_INVALID, items[1].rv);
  EXPECT_OK(items[2].rv);
  EXPECT_NE(items[2].targetHandle, 0u);
}

TEST_P(CloneBothWaysTest, MigrateKeys_StopsWithoutTheFlag) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  const CK_OBJECT_HANDLE a = bench.host.Create(app, Note("a"));
  const CK_OBJECT_HANDLE b = bench.host.Create(app, Note("b"));
  std::vector<CK_OBJECT_MIGRATION_DATA> items = {Item(a), Item(0x12345),
                                                 Item(b)};
  EXPECT_RV(CKR_FAILED_TO_CLONE_AN_OBJECT,
            bench.host.ca().CA_MigrateKeys(app, archive, 0, items.size(),
                                           items.data()));
  EXPECT_OK(items[0].rv);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, items[1].rv);
  EXPECT_RV(CKR_CLONE_NOT_ATTEMPTED, items[2].rv);
  EXPECT_EQ(items[2].targetHandle, 0u);
  EXPECT_EQ(bench.host.Find(archive).size(), 1u);
}

TEST_P(CloneBothWaysTest, MigrateKeys_NoObjects_IsBadArguments) {
  Bench bench(GetParam());
  const CK_SESSION_HANDLE app = bench.Officer();
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            bench.host.ca().CA_MigrateKeys(app, archive, 0, 0, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            bench.host.ca().CA_MigrateKeys(app, archive, 0, 1, nullptr));
}

}  // namespace
}  // namespace e2e
