// The files of an HSM are damaged: bits flipped, rows swapped or put back,
// files cut short or missing. Whatever is read afterwards is what was there or
// an error that names path and cause; nothing is weaker, nothing crashes, and
// with the file back nothing is lost.
#include <sys/stat.h>

#include <functional>

#include "hsm/test_tpm.h"
#include "tests/fault/damage.h"

namespace e2e {
namespace {

// --- bits --------------------------------------------------------------------

TEST(DamageTest, FlippedBitsAnywhereInTheDatabase_GiveTheSameOrAnError) {
  Keys keys;
  keys.Save("good");
  const std::string path = keys.file("hsm.db");
  const std::string good = ReadFile(path);
  ASSERT_GT(good.size(), 10u * 4096);
  std::vector<size_t> places;
  // The header's fields, then a sample of the whole file.
  for (size_t at : {0,  16, 18, 19, 20, 21, 24, 28, 32, 36,
                    40, 44, 48, 52, 56, 60, 64, 68, 92, 96}) {
    places.push_back(at + 3);
  }
  for (size_t at = 100; at < good.size(); at += 1531) places.push_back(at);
  for (const size_t at : places) {
    SCOPED_TRACE("byte " + std::to_string(at) + " of " +
                 std::to_string(good.size()));
    keys.Restore("good");
    std::string bad = good;
    bad[at] ^= 1 << at % 8;
    WriteFile(path, bad);
    keys.InAProcess([&](Host& host) { keys.ExpectSame(host); });
    if (HasFailure()) return;
  }
  keys.Restore("good");
  keys.ExpectWhole();
}

TEST(DamageTest, FlippedBitsInTheStorageKey_AreAnError) {
  Keys keys;
  keys.Save("good");
  const std::string path = keys.file("storage.key");
  const std::string good = ReadFile(path);
  for (size_t at = 0; at < good.size(); at += 5) {
    SCOPED_TRACE(at);
    std::string bad = good;
    bad[at] ^= 0x20;
    keys.Restore("good");
    WriteFile(path, bad);
    keys.ExpectErrors();
  }
  keys.Restore("good");
  keys.ExpectWhole();
}

TEST(DamageTest, FlippedBitsInTheChangeCounters_AreRepaired) {
  Keys keys;
  keys.Save("good");
  const std::string path = keys.file("changes");
  const std::string good = ReadFile(path);
  for (const size_t at : {0, 3, 8, 15, 40, 64, 72, 80, 88, 95}) {
    SCOPED_TRACE(at);
    std::string bad = good;
    bad[at] ^= 0x01;
    keys.Restore("good");
    WriteFile(path, bad);
    keys.ExpectWhole();
  }
}

// --- rows --------------------------------------------------------------------

std::string Row(const Keys& keys, const std::string& label) {
  return " WHERE id = " + std::to_string(keys.Handle(label));
}

// Each statement on a token of its own copy.
void ExpectEachIsNoticed(Keys& keys, const std::vector<std::string>& all) {
  keys.Save("before");
  for (const std::string& sql : all) {
    SCOPED_TRACE(sql);
    keys.Restore("before");
    Database(keys.file("hsm.db")).Run(sql);
    keys.ExpectErrors();
  }
  keys.Restore("before");
  keys.ExpectWhole();
}

TEST(DamageTest, ChangedColumns_AreNoticed) {
  Keys keys;
  const std::string two = Row(keys, "two"), one = Row(keys, "one");
  ExpectEachIsNoticed(
      keys,
      {"UPDATE record SET key = 0" + two, "UPDATE record SET key = 1" + one,
       "UPDATE record SET class = 4" + two,
       "UPDATE record SET version = version + 1" + two,
       "UPDATE record SET size = 1" + two, "UPDATE record SET space = 0" + two,
       "UPDATE record SET id = 77" + two,
       "UPDATE record SET sealed = zeroblob(length(sealed))" + two,
       "UPDATE record SET sealed = x''" + two,
       "UPDATE record SET sealed = substr(sealed, 1, 40)" + two});
}

TEST(DamageTest, RemovedRecord_IsNoticed) {
  Keys keys;
  ExpectEachIsNoticed(keys, {"DELETE FROM record" + Row(keys, "two"),
                             "DELETE FROM record" + Row(keys, "one")});
}

TEST(DamageTest, SwappedRecords_AreNoticed) {
  Keys keys;
  const std::string one = std::to_string(keys.Handle("one"));
  const std::string two = std::to_string(keys.Handle("two"));
  ExpectEachIsNoticed(
      keys,
      {// Contents of one in the place of the other.
       "UPDATE record SET sealed = (SELECT sealed FROM record WHERE id = " +
           one + ") WHERE id = " + two,
       // Ids exchanged, with all that belongs to them.
       "UPDATE record SET id = CASE id WHEN " + one +
           " THEN -1 ELSE -2 END "
           "WHERE id IN (" +
           one + ", " + two +
           ");"
           "UPDATE record SET id = CASE id WHEN -1 THEN " +
           two + " ELSE " + one + " END WHERE id < 0"});
}

// Copies rows of a table from an older database.
std::string CopyFrom(const Keys& keys, const std::string& old,
                     const std::string& table, const std::string& where) {
  return "ATTACH '" + keys.site().path() + "/" + old +
         "/hsm.db' AS old; INSERT OR REPLACE INTO main." + table +
         " SELECT * FROM old." + table + where;
}

TEST(DamageTest, OldVersionPutBack_IsNoticed) {
  Keys keys;
  keys.Save("old");
  const std::string where = Row(keys, "aes");
  keys.InAProcess([&](Host& host) {
    const Template t = Template().Text(CKA_ID, "newer");
    EXPECT_OK(host.c().C_SetAttributeValue(host.Officer(0), keys.Handle("aes"),
                                           t.data(), t.size()));
  });
  Database(keys.file("hsm.db")).Run(CopyFrom(keys, "old", "record", where));
  keys.ExpectErrors();
}

TEST(DamageTest, DestroyedKeyPutBack_IsNoticed) {
  Keys keys;
  keys.Save("old");
  const CK_OBJECT_HANDLE aes = keys.Handle("aes");
  keys.InAProcess([&](Host& host) {
    EXPECT_OK(host.c().C_DestroyObject(host.Officer(0), aes));
  });
  Database(keys.file("hsm.db"))
      .Run(CopyFrom(keys, "old", "record", Row(keys, "aes")));
  keys.InAProcess([&](Host& host) {
    const CK_SESSION_HANDLE app = host.Officer(0);
    Bytes iv(16, 7);
    CK_MECHANISM how = {CKM_AES_CBC_PAD, iv.data(), iv.size()};
    EXPECT_NE(host.c().C_EncryptInit(app, &how, aes), CK_RV{CKR_OK});
    CK_ATTRIBUTE label = {CKA_LABEL, nullptr, 0};
    EXPECT_RV(CKR_DEVICE_ERROR,
              host.c().C_GetAttributeValue(app, aes, &label, 1));
    EXPECT_FALSE(host.library().LastError().empty());
  });
}

TEST(DamageTest, NamedValuesRemovedOrEmptied_GiveTheSameOrAnError) {
  Keys keys;
  keys.Save("good");
  const std::vector<std::string> rows =
      Database(keys.file("hsm.db"))
          .Texts("SELECT space || ' AND name = ''' || name || '''' FROM value");
  ASSERT_GT(rows.size(), 5u);
  for (const std::string& row : rows) {
    for (const std::string& change :
         {"DELETE FROM value WHERE space = " + row,
          "UPDATE value SET value = x'' WHERE space = " + row,
          "UPDATE value SET value = zeroblob(length(value)) WHERE space = " +
              row}) {
      SCOPED_TRACE(change);
      keys.Restore("good");
      Database(keys.file("hsm.db")).Run(change);
      keys.InAProcess([&](Host& host) { keys.ExpectSame(host); });
      if (HasFailure()) return;
    }
  }
}

// The HSM "app" gets a witness; an old copy of its store is put back, the
// newest one, and the old one after `accept` said that it may.
void ExpectOldCopyRefused(Keys& keys, const std::string& witness,
                          const std::function<void()>& accept) {
  std::string config = ReadFile(keys.site().config());
  const std::string name = "name = \"app\"\n";
  ASSERT_NE(config.find(name), std::string::npos);
  config.insert(config.find(name) + name.size(),
                "witness = \"" + witness + "\"\n");
  WriteFile(keys.site().config(), config);
  keys.ExpectWhole();  // and the witness sees its logins
  keys.Save("old");
  keys.InAProcess(
      [](Host& host) { host.Create(host.Officer(0), Note("newer")); });
  keys.Save("new");
  keys.Restore("old");
  keys.InAProcess([&](Host& host) {
    CK_SESSION_HANDLE app = 0;
    EXPECT_RV(CKR_DEVICE_ERROR,
              host.c().C_OpenSession(0, kReadWrite, nullptr, nullptr, &app));
  });
  keys.Restore("new");
  keys.InAProcess([](Host& host) {
    const CK_SESSION_HANDLE app = host.Officer(0);
    Only(host, app, CKO_DATA, "newer");
  });
  keys.Restore("old");
  accept();
  keys.ExpectWhole();
}

TEST(DamageTest, OldCopyOfTheWhole_IsRefusedWhereThereIsAWitness) {
  Keys keys;
  const std::string witness = keys.site().path() + "/witness";
  ExpectOldCopyRefused(keys, witness,
                       [&] { EXPECT_TRUE(fs::remove(witness)); });
}

TEST(DamageTest, OldCopyOfTheWhole_IsRefusedWhereATpmCounts) {
  using hsm::testkit::SoftTpm;
  if (!SoftTpm::IsThere()) GTEST_SKIP();
  Keys keys;
  SoftTpm tpm(keys.site().path() + "/tpm");
  tpm.Define();
  ExpectOldCopyRefused(keys, tpm.name(), [&] {
    tpm.Undefine();
    tpm.Define();
  });
}

// Nobody may believe that all of a partition was backed up when it was not.
TEST(DamageTest, TamperedRecord_IsToldByABackup) {
  Plan plan;
  plan.apps[0].partitions = {"", ""};
  plan.backups.clear();
  Site site(plan);
  {
    Host host(site);
    host.InitPartition(0);
    host.InitPartition(1);
    const CK_SESSION_HANDLE app = host.Officer(0);
    for (const char* label : {"one", "two", "three"}) {
      host.Create(app, Note(label));
    }
  }
  Database(site.state() + "/hsm/app/hsm.db")
      .Run(
          "UPDATE record SET size = size + 1 WHERE id = (SELECT max(id) - 1 "
          "FROM record)");
  Host host(site);
  const CK_SESSION_HANDLE from = host.Officer(0), to = host.Officer(1);
  EXPECT_EQ(host.Find(from).size(), 2u);
  const Report report =
      host.Transfer(from, to, PERIGEE_TRANSFER_CONTINUE_ON_ERROR);
  EXPECT_RV(CKR_DEVICE_ERROR, report.rv) << report.error;
  ASSERT_EQ(report.items.size(), 3u);
  EXPECT_EQ(report.items[1].ulOutcome, PERIGEE_OUTCOME_LEFT_OUT);
  EXPECT_STREQ(report.items[1].reason, "tampered");
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), 2u);
  EXPECT_EQ(host.Find(to).size(), 2u);
}

// The operator's own look.
TEST(DamageTest, TamperedRecord_IsToldByACheck) {
  Keys keys;
  const auto check = [&](CK_ULONG sound, CK_ULONG damaged) {
    keys.InAProcess([&](Host& host) {
      const CK_SESSION_HANDLE app = host.Officer(0);
      CK_OBJECT_HANDLE handles[4] = {};
      PERIGEE_CHECK told = {sizeof told, 9, 9, handles, 4};
      EXPECT_OK(host.perigee().CheckObjects(app, &told));
      EXPECT_EQ(told.ulSound, sound);
      EXPECT_EQ(told.ulDamaged, damaged);
      if (damaged == 1) {
        EXPECT_EQ(handles[0], keys.Handle("one"));
      }
    });
  };
  check(keys.objects().size(), 0);
  Database(keys.file("hsm.db"))
      .Run("UPDATE record SET size = size + 1 WHERE id = " +
           std::to_string(keys.Handle("one")));
  check(keys.objects().size() - 1, 1);
}

// Nor that all of a backup came back.
TEST(DamageTest, TamperedRecordInABackup_IsToldByARestore) {
  Site site{Plan()};
  {
    Host host(site);
    host.InitPartition(0);
    host.InitHsm(host.backup());
    const CK_SESSION_HANDLE app = host.Officer(0);
    for (const char* label : {"one", "two", "three"}) {
      host.Create(app, Note(label));
    }
    const CK_ULONG container = host.MakeContainer(host.backup(), "b");
    const CK_SESSION_HANDLE archive =
        host.OpenArchive(host.backup(), container);
    EXPECT_EQ(host.Transfer(app, archive).Count(PERIGEE_OUTCOME_STORED), 3u);
  }
  Database(site.state() + "/hsm/backup/hsm.db")
      .Run(
          "UPDATE record SET size = size + 1 WHERE id = (SELECT max(id) - 1 "
          "FROM record)");
  Host host(site);
  const CK_SESSION_HANDLE app = host.Officer(0);
  for (const CK_OBJECT_HANDLE object : host.Find(app)) {
    EXPECT_OK(host.c().C_DestroyObject(app, object));
  }
  const CK_SESSION_HANDLE archive =
      host.OpenArchive(host.backup(), host.Containers(host.backup())[0]);
  const Report report =
      host.Transfer(archive, app, PERIGEE_TRANSFER_CONTINUE_ON_ERROR);
  EXPECT_RV(CKR_DEVICE_ERROR, report.rv) << report.error;
  ASSERT_EQ(report.items.size(), 3u);
  EXPECT_EQ(report.items[1].ulOutcome, PERIGEE_OUTCOME_LEFT_OUT);
  EXPECT_STREQ(report.items[1].reason, "tampered");
  EXPECT_EQ(host.Find(app).size(), 2u);
}

// --- files -------------------------------------------------------------------

// The partition cannot be used, the error says why and where, and when the
// file is back everything is as it was.
void ExpectNamed(Keys& keys, const std::string& file,
                 const std::function<void(const std::string&)>& damage) {
  fs::remove_all(keys.site().path() + "/good");
  keys.Save("good");
  damage(keys.file(file));
  keys.InAProcess([&](Host& host) {
    CK_SESSION_HANDLE session = 0;
    EXPECT_NE(host.c().C_OpenSession(0, kReadWrite, nullptr, nullptr, &session),
              CK_RV{CKR_OK});
    const std::string error = host.library().LastError();
    EXPECT_NE(error.find(keys.directory()), std::string::npos) << error;
    EXPECT_NE(error.find(file), std::string::npos) << error;
    // Nobody may take a damaged HSM for one that was never made.
    EXPECT_NE(host.TryInitToken(0, "new", ""), CK_RV{CKR_OK});
  });
  keys.Restore("good");
  keys.ExpectWhole();
}

void CutTo(const std::string& path, size_t size) {
  ASSERT_EQ(truncate(path.c_str(), size), 0);
}

TEST(DamageTest, MissingStorageKey_IsNamed) {
  Keys keys;
  ExpectNamed(keys, "storage.key", [](auto& path) { fs::remove(path); });
}

TEST(DamageTest, ShortStorageKey_IsNamed) {
  Keys keys;
  ExpectNamed(keys, "storage.key", [](auto& path) { CutTo(path, 31); });
  ExpectNamed(keys, "storage.key", [](auto& path) { CutTo(path, 0); });
}

TEST(DamageTest, StorageKeyForEverybody_IsNamed) {
  Keys keys;
  ExpectNamed(keys, "storage.key",
              [](auto& path) { ASSERT_EQ(chmod(path.c_str(), 0644), 0); });
}

TEST(DamageTest, MissingDatabase_IsNamed) {
  Keys keys;
  ExpectNamed(keys, "hsm.db", [](auto& path) { fs::remove(path); });
}

TEST(DamageTest, ShortDatabase_IsNamed) {
  Keys keys;
  for (const size_t size : {0, 1, 100, 4096, 5000}) {
    SCOPED_TRACE(size);
    ExpectNamed(keys, "hsm.db", [&](auto& path) { CutTo(path, size); });
  }
}

TEST(DamageTest, DatabaseThatIsNone_IsNamed) {
  Keys keys;
  ExpectNamed(keys, "hsm.db",
              [](auto& path) { WriteFile(path, std::string(50000, 'x')); });
  ExpectNamed(keys, "hsm.db", [](auto& path) {
    fs::remove(path);
    fs::create_directory(path);
  });
}

TEST(DamageTest, AnotherHsmsDatabase_IsRefused) {
  Keys keys, others;
  ExpectNamed(keys, "hsm.db", [&](auto& path) {
    fs::copy_file(others.file("hsm.db"), path,
                  fs::copy_options::overwrite_existing);
  });
}

TEST(DamageTest, MissingHelpers_AreMadeAgain) {
  Keys keys;
  fs::remove(keys.file("changes"));
  fs::remove(keys.file("writer"));
  keys.ExpectWhole();
  CutTo(keys.file("changes"), 17);
  keys.ExpectWhole();
}

}  // namespace
}  // namespace e2e
