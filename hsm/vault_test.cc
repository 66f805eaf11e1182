// The vault on a store in memory: sealing, freshness, and every tampering that
// docs/formats/vault.md names.
#include "hsm/vault.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "hsm/test_stores.h"

namespace hsm {
namespace {

constexpr SpaceId kSpace = 2;
constexpr uint64_t kLabel = 3;  // CKA_LABEL
constexpr uint64_t kIdType = 0x102;

KeyRing NewRing() {
  return {*base::RandomSecret(32), *base::RandomSecret(32),
          *base::RandomSecret(32)};
}

class VaultTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Write([&](Transaction& tx) {
                  RETURN_IF_ERROR(vault_.Begin(tx, Vault::kPublicKey,
                                               keys_.public_key.Expose()));
                  return vault_.Begin(tx, Vault::kPrivateKey,
                                      keys_.private_key.Expose());
                }).ok());
  }

  absl::Status Write(absl::FunctionRef<absl::Status(Transaction&)> write) {
    return store_->Write(kSpace, write);
  }

  static Vault::Draft MakeDraft(absl::string_view text,
                                Vault::KeyNumber key = Vault::kPrivateKey,
                                absl::string_view label = "label") {
    Vault::Draft draft;
    draft.key = key;
    draft.object_class = 3;
    draft.size = text.size();
    draft.plaintext = base::AsBytes(text);
    draft.tagged = {{kLabel, base::AsBytes(label)}};
    return draft;
  }

  uint64_t Insert(absl::string_view text,
                  Vault::KeyNumber key = Vault::kPrivateKey,
                  absl::string_view label = "label") {
    uint64_t id = 0;
    EXPECT_TRUE(Write([&](Transaction& tx) {
                  ASSIGN_OR_RETURN(
                      id,
                      vault_.Insert(tx, keys_, MakeDraft(text, key, label)));
                  return absl::OkStatus();
                }).ok());
    return id;
  }

  absl::StatusOr<uint64_t> Replace(uint64_t id, uint64_t version,
                                   const Vault::Draft& draft) {
    uint64_t next = 0;
    RETURN_IF_ERROR(Write([&](Transaction& tx) {
      ASSIGN_OR_RETURN(next, vault_.Replace(tx, keys_, id, version, draft));
      return absl::OkStatus();
    }));
    return next;
  }

  absl::Status Erase(uint64_t id) {
    return Write([&](Transaction& tx) { return vault_.Erase(tx, keys_, id); });
  }

  absl::StatusOr<std::string> Open(uint64_t id) { return Open(id, keys_); }
  absl::StatusOr<std::string> Open(uint64_t id, const KeyRing& keys) {
    std::string text;
    RETURN_IF_ERROR(store_->Read([&](Reader& reader) {
      ASSIGN_OR_RETURN(const Vault::Opened opened,
                       vault_.Open(reader, keys, id));
      EXPECT_EQ(opened.id, id);
      text = std::string(base::AsText(opened.plaintext.Expose()));
      return absl::OkStatus();
    }));
    return text;
  }

  CK_RV OpenRv(uint64_t id) { return base::CkRv(Open(id).status()); }

  CK_RV CheckAll() {
    return base::CkRv(store_->Read(
        [&](Reader& reader) { return vault_.CheckAll(reader, keys_); }));
  }

  absl::StatusOr<std::vector<Edition>> Editions(const KeyRing& keys) {
    std::vector<Edition> editions;
    RETURN_IF_ERROR(store_->Read([&](Reader& reader) -> absl::Status {
      ASSIGN_OR_RETURN(editions, vault_.Editions(reader, keys));
      return absl::OkStatus();
    }));
    return editions;
  }

  absl::StatusOr<RecordStamp> Stamp(uint64_t id, const KeyRing& keys) {
    absl::StatusOr<RecordStamp> stamp = absl::UnknownError("not asked");
    store_
        ->Read([&](Reader& reader) {
          stamp = vault_.Stamp(reader, keys, id);
          return absl::OkStatus();
        })
        .IgnoreError();
    return stamp;
  }

  std::vector<uint64_t> Find(
      const KeyRing& keys, std::optional<uint32_t> object_class,
      const std::vector<std::pair<uint64_t, ByteSpan>>& tagged) {
    std::vector<uint64_t> ids;
    EXPECT_TRUE(store_
                    ->Read([&](Reader& reader) {
                      ASSIGN_OR_RETURN(
                          const auto found,
                          vault_.Find(reader, keys, object_class, tagged));
                      for (const RecordStamp& s : found) ids.push_back(s.id);
                      return absl::OkStatus();
                    })
                    .ok());
    return ids;
  }

  // What an attacker with the file does: no vault in between.
  Record Raw(uint64_t id) {
    std::optional<Record> record;
    EXPECT_TRUE(store_
                    ->Read([&](Reader& reader) {
                      ASSIGN_OR_RETURN(record, reader.Get(kSpace, id));
                      return absl::OkStatus();
                    })
                    .ok());
    return record.value_or(Record{});
  }
  void PutRaw(const Record& record) {
    EXPECT_TRUE(Write([&](Transaction& tx) {
                  return tx.Put(kSpace, record, {});
                }).ok());
  }
  std::optional<Bytes> RawValue(absl::string_view name) {
    std::optional<Bytes> value;
    EXPECT_TRUE(store_
                    ->Read([&](Reader& reader) {
                      ASSIGN_OR_RETURN(value, reader.GetValue(kSpace, name));
                      return absl::OkStatus();
                    })
                    .ok());
    return value;
  }
  void PutRawValue(absl::string_view name, const std::optional<Bytes>& value) {
    EXPECT_TRUE(Write([&](Transaction& tx) {
                  return value.has_value() ? tx.PutValue(kSpace, name, *value)
                                           : tx.DeleteValue(kSpace, name);
                }).ok());
  }

  std::unique_ptr<Store> store_ = NewMemoryStore();
  Vault vault_{store_.get(), kSpace};
  KeyRing keys_ = NewRing();
};

using Ids = std::vector<uint64_t>;

TEST_F(VaultTest, InsertAll_IsInsertForEach) {
  // In two buckets of two middle nodes, two of them in one bucket, of both
  // keys, and none with a hole in front: what single changes find must fit.
  std::vector<uint64_t> ids;
  const Bytes text = {1, 2, 3};
  std::vector<Vault::Draft> drafts;
  const auto all = Write([&](Transaction& tx) -> absl::Status {
    for (const uint64_t id :
         {uint64_t{1}, uint64_t{65}, uint64_t{1 + kBuckets}, uint64_t{3}}) {
      ids.push_back(id);
      Vault::Draft draft;
      draft.key = id == 3 ? Vault::kPublicKey : Vault::kPrivateKey;
      draft.plaintext = text;
      drafts.push_back(draft);
    }
    ASSIGN_OR_RETURN(const auto sealed, vault_.Seal(keys_, drafts, ids));
    return vault_.InsertAll(tx, keys_, sealed);
  });
  ASSERT_TRUE(all.ok()) << all;
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) -> absl::Status {
                    for (const uint64_t id : ids) {
                      EXPECT_TRUE(vault_.Open(reader, keys_, id).ok()) << id;
                    }
                    return vault_.CheckAll(reader, keys_);
                  })
                  .ok());
  ASSERT_TRUE(
      Write([&](Transaction& tx) { return vault_.Erase(tx, keys_, 1); }).ok());
  EXPECT_EQ(base::CkRv(Write([&](Transaction& tx) {
              const auto again =
                  vault_.Seal(keys_, {drafts.data(), 1}, {ids.data() + 1, 1});
              return vault_.InsertAll(tx, keys_, *again);
            })),
            CK_RV{CKR_GENERAL_ERROR});  // in use
}

TEST_F(VaultTest, Editions_AreOfAllThatTheRingSees) {
  const uint64_t hidden = Insert("a");
  const uint64_t open = Insert("b", Vault::kPublicKey);
  const auto all = Editions(keys_);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->at(0).id, hidden);
  EXPECT_EQ(all->at(1).id, open);
  KeyRing half = keys_.Clone();
  half.private_key = SecretBytes();
  ASSERT_EQ(Editions(half)->size(), 1u);
  EXPECT_EQ(Editions(half)->at(0).id, open);
}

TEST_F(VaultTest, Edition_IsThatOfTheOpenedRecordAndOfNoOtherContent) {
  const uint64_t id = Insert("same");
  const auto first = Editions(keys_);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) -> absl::Status {
                    ASSIGN_OR_RETURN(const Vault::Opened opened,
                                     vault_.Open(reader, keys_, id));
                    EXPECT_EQ(opened.salt, first->at(0).salt);
                    ASSIGN_OR_RETURN(const Edition one,
                                     vault_.EditionOf(reader, id));
                    EXPECT_EQ(one.salt, first->at(0).salt);
                    EXPECT_EQ(one.version, 1u);
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_TRUE(Replace(id, 1, MakeDraft("same")).ok());
  const auto second = Editions(keys_);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->at(0).version, 2u);
  EXPECT_NE(second->at(0).salt, first->at(0).salt);
}

TEST_F(VaultTest, EditionsOfAStoreThatLacksARecord_AreDeviceError) {
  Insert("a");
  const uint64_t id = Insert("b");
  ASSERT_TRUE(
      Write([&](Transaction& tx) { return tx.Delete(kSpace, id); }).ok());
  EXPECT_EQ(base::CkRv(Editions(keys_).status()), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, KeyThatWasChanged_IsNotServedAnOldDerivedOne) {
  KeyRing ring = NewRing();
  const auto derive = [&](const SecretBytes& key) {
    return *ring.derived.Get(DerivedKeys::Use::kTree, *store_, kSpace, 0,
                             key.Expose());
  };
  const auto first = derive(ring.public_key);
  EXPECT_EQ(derive(ring.public_key), first);  // the very same
  EXPECT_FALSE(derive(ring.private_key)->Equals(*first));
  const auto index = *ring.derived.Get(DerivedKeys::Use::kIndex, *store_,
                                       kSpace, 0, ring.public_key.Expose());
  EXPECT_FALSE(index->Equals(*first));
  const auto elsewhere =
      *ring.derived.Get(DerivedKeys::Use::kTree, *store_, kSpace + 1, 0,
                        ring.public_key.Expose());
  EXPECT_FALSE(elsewhere->Equals(*first));
  EXPECT_TRUE(derive(ring.public_key)->Equals(*first));
}

TEST_F(VaultTest, Inserted_OpensAndChecks) {
  const uint64_t id = Insert("one");
  const uint64_t other = Insert("two", Vault::kPublicKey);
  EXPECT_NE(id, other);
  EXPECT_EQ(*Open(id), "one");
  EXPECT_EQ(*Open(other), "two");
  EXPECT_EQ(CheckAll(), CKR_OK);
}

TEST_F(VaultTest, Sealed_ShowsNothingAndNeverRepeats) {
  const Record one = Raw(Insert("the same text"));
  const Record two = Raw(Insert("the same text"));
  EXPECT_EQ(one.sealed.size(), 13u + 49u);
  EXPECT_NE(one.sealed, two.sealed);
  EXPECT_EQ(std::string(one.sealed.begin(), one.sealed.end()).find("same"),
            std::string::npos);
}

TEST_F(VaultTest, EmptyPlaintext_IsKept) { EXPECT_EQ(*Open(Insert("")), ""); }

TEST_F(VaultTest, InsertUnderAGivenId_TakesItOnce) {
  uint64_t id = 0;
  auto insert = [&](Vault::KeyNumber key) {
    return Write([&](Transaction& tx) {
      if (id == 0) {
        ASSIGN_OR_RETURN(id, tx.NextId());
      }
      return vault_.Insert(tx, keys_, MakeDraft("x", key), id).status();
    });
  };
  ASSERT_TRUE(insert(Vault::kPrivateKey).ok());
  EXPECT_EQ(*Open(id), "x");
  EXPECT_FALSE(insert(Vault::kPrivateKey).ok());
  EXPECT_FALSE(insert(Vault::kPublicKey).ok());
  EXPECT_EQ(CheckAll(), CKR_OK);
}

TEST_F(VaultTest, Replaced_HasTheNextVersion) {
  const uint64_t id = Insert("old");
  EXPECT_EQ(*Replace(id, 1, MakeDraft("new")), 2u);
  EXPECT_EQ(*Open(id), "new");
  EXPECT_EQ(Stamp(id, keys_)->version, 2u);
  EXPECT_EQ(CheckAll(), CKR_OK);
}

TEST_F(VaultTest, ReplaceOfAnotherVersion_IsFunctionFailed) {
  const uint64_t id = Insert("old");
  ASSERT_TRUE(Replace(id, 1, MakeDraft("new")).ok());
  EXPECT_EQ(base::CkRv(Replace(id, 1, MakeDraft("late")).status()),
            CKR_FUNCTION_FAILED);
  EXPECT_EQ(*Open(id), "new");
}

TEST_F(VaultTest, PublicObject_CanBecomePrivateButNotBack) {
  const uint64_t id = Insert("text", Vault::kPublicKey);
  EXPECT_EQ(*Replace(id, 1, MakeDraft("text", Vault::kPrivateKey)), 2u);
  EXPECT_EQ(Stamp(id, keys_)->key, Vault::kPrivateKey);
  EXPECT_EQ(*Open(id), "text");
  EXPECT_EQ(CheckAll(), CKR_OK);
  EXPECT_EQ(
      base::CkRv(Replace(id, 2, MakeDraft("text", Vault::kPublicKey)).status()),
      CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(VaultTest, Erased_IsGone) {
  const uint64_t id = Insert("text");
  const uint64_t kept = Insert("kept");
  ASSERT_TRUE(Erase(id).ok());
  EXPECT_EQ(OpenRv(id), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(base::CkRv(Stamp(id, keys_).status()), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(base::CkRv(Erase(id)), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(base::CkRv(Replace(id, 1, MakeDraft("x")).status()),
            CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(*Open(kept), "kept");
  EXPECT_EQ(CheckAll(), CKR_OK);
}

TEST_F(VaultTest, EmptiedTree_IsAsSmallAsANewOne) {
  ASSERT_TRUE(Erase(Insert("text")).ok());
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(*reader.ListValues(kSpace, "tree/"),
                              (std::vector<std::string>{"tree/0", "tree/1"}));
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_F(VaultTest, RingWithoutThePrivateKey_SeesNoPrivateObject) {
  const uint64_t id = Insert("private");
  const uint64_t open = Insert("public", Vault::kPublicKey);
  KeyRing ring;
  ring.public_key = keys_.public_key.Clone();
  EXPECT_EQ(base::CkRv(Open(id, ring).status()), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(base::CkRv(Stamp(id, ring).status()), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(*Open(open, ring), "public");
  EXPECT_EQ(Find(ring, std::nullopt, {}), Ids{open});
  const absl::Status status = Write([&](Transaction& tx) {
    return vault_.Insert(tx, ring, MakeDraft("x")).status();
  });
  EXPECT_EQ(base::CkRv(status), CKR_USER_NOT_LOGGED_IN);
}

TEST_F(VaultTest, Find_ByTagsAndClass) {
  const uint64_t a = Insert("a", Vault::kPrivateKey, "x");
  const uint64_t b = Insert("b", Vault::kPublicKey, "x");
  const uint64_t c = Insert("c", Vault::kPublicKey, "y");
  EXPECT_EQ(Find(keys_, std::nullopt, {}), (Ids{a, b, c}));
  EXPECT_EQ(Find(keys_, 3, {{kLabel, base::AsBytes("x")}}), (Ids{a, b}));
  EXPECT_EQ(Find(keys_, 4, {{kLabel, base::AsBytes("x")}}), Ids());
  EXPECT_EQ(Find(keys_, std::nullopt, {{kLabel, base::AsBytes("y")}}), Ids{c});
  EXPECT_EQ(Find(keys_, std::nullopt, {{kIdType, base::AsBytes("y")}}), Ids());
}

TEST_F(VaultTest, Tags_DifferBetweenKeysSpacesAndStores) {
  const uint64_t a = Insert("a", Vault::kPrivateKey, "x");
  const uint64_t b = Insert("b", Vault::kPublicKey, "x");
  // Under another ring of the same store the same value has another tag.
  EXPECT_EQ(Find(NewRing(), std::nullopt, {{kLabel, base::AsBytes("x")}}),
            Ids());
  EXPECT_EQ(Find(keys_, std::nullopt, {{kLabel, base::AsBytes("x")}}),
            (Ids{a, b}));
}

TEST_F(VaultTest, ManyInOneTransaction_AllOpen) {
  Ids ids;
  ASSERT_TRUE(Write([&](Transaction& tx) {
                for (int i = 0; i < 300; ++i) {
                  ASSIGN_OR_RETURN(
                      const uint64_t id,
                      vault_.Insert(tx, keys_, MakeDraft(absl::StrCat(i))));
                  ids.push_back(id);
                }
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(*Open(ids[299]), "299");
  EXPECT_EQ(CheckAll(), CKR_OK);
}

TEST_F(VaultTest, BeginOverRecords_IsRefused) {
  Insert("text");
  const SecretBytes fresh = *base::RandomSecret(32);
  EXPECT_EQ(base::CkRv(Write([&](Transaction& tx) {
              return vault_.Begin(tx, Vault::kPrivateKey, fresh.Expose());
            })),
            CKR_FUNCTION_FAILED);
}

TEST_F(VaultTest, OpenInsideItsTransaction_SeesTheChange) {
  ASSERT_TRUE(Write([&](Transaction& tx) {
                ASSIGN_OR_RETURN(const uint64_t id,
                                 vault_.Insert(tx, keys_, MakeDraft("text")));
                EXPECT_TRUE(vault_.Open(tx, keys_, id).ok());
                EXPECT_EQ(vault_.Stamp(tx, keys_, id)->version, 1u);
                return absl::OkStatus();
              }).ok());
}

TEST_F(VaultTest, Threads_OpenWhatOthersReplace) {
  const uint64_t id = Insert("0");
  std::atomic<int> failures{0};
  auto write = [&] {
    for (int i = 0; i < 50; ++i) {
      const absl::Status status = Write([&](Transaction& tx) {
        ASSIGN_OR_RETURN(const RecordStamp stamp, vault_.Stamp(tx, keys_, id));
        return vault_
            .Replace(tx, keys_, id, stamp.version,
                     MakeDraft(absl::StrCat(stamp.version)))
            .status();
      });
      if (!status.ok()) ++failures;
    }
  };
  auto read = [&] {
    for (int i = 0; i < 200; ++i) {
      const absl::Status status = store_->Read([&](Reader& reader) {
        ASSIGN_OR_RETURN(const auto opened, vault_.Open(reader, keys_, id));
        // The text says which version it became the successor of.
        if (base::AsText(opened.plaintext.Expose()) !=
            absl::StrCat(opened.version - 1)) {
          ++failures;
        }
        return absl::OkStatus();
      });
      if (!status.ok()) ++failures;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back(write);
    threads.emplace_back(read);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(Stamp(id, keys_)->version, 101u);
}

// ---- Tampering ----

// Flips one bit of a record's column; `change` does it.
class TamperedColumnTest : public VaultTest,
                           public testing::WithParamInterface<
                               std::pair<const char*, void (*)(Record&)>> {};

INSTANTIATE_TEST_SUITE_P(
    Columns, TamperedColumnTest,
    testing::Values(
        std::pair{"FirstByte", +[](Record& r) { r.sealed.front() ^= 2; }},
        std::pair{"Salt", +[](Record& r) { r.sealed[5] ^= 1; }},
        std::pair{"Text", +[](Record& r) { r.sealed[34] ^= 0x80; }},
        std::pair{"LastByte", +[](Record& r) { r.sealed.back() ^= 1; }},
        std::pair{"Shortened", +[](Record& r) { r.sealed.resize(40); }},
        std::pair{"Emptied", +[](Record& r) { r.sealed.clear(); }},
        std::pair{"Version", +[](Record& r) { r.version = 2; }},
        std::pair{"Class", +[](Record& r) { r.object_class = 2; }},
        std::pair{"Size", +[](Record& r) { r.size = 0; }},
        std::pair{"MadePublic", +[](Record& r) { r.key = 0; }},
        std::pair{"UnknownKey", +[](Record& r) { r.key = 2; }}),
    [](const auto& param) { return param.param.first; });

TEST_P(TamperedColumnTest, IsDeviceErrorColdAndWarm) {
  const uint64_t id = Insert("secret text");
  ASSERT_TRUE(Open(id).ok());
  Record record = Raw(id);
  GetParam().second(record);
  PutRaw(record);
  EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR);
  EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR);
  EXPECT_EQ(CheckAll(), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, SwappedRecords_AreDeviceErrors) {
  const uint64_t a = Insert("a");
  const uint64_t b = Insert("b");
  Record record = Raw(a);
  record.sealed = Raw(b).sealed;
  PutRaw(record);
  EXPECT_EQ(OpenRv(a), CKR_DEVICE_ERROR);
  EXPECT_EQ(OpenRv(b), CKR_OK);
}

TEST_F(VaultTest, OldVersionPutBack_IsDeviceError) {
  const uint64_t id = Insert("old");
  const Record old = Raw(id);
  ASSERT_TRUE(Replace(id, 1, MakeDraft("new")).ok());
  ASSERT_TRUE(Open(id).ok());
  PutRaw(old);
  EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR);
  EXPECT_EQ(base::CkRv(Stamp(id, keys_).status()), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, DestroyedRecordPutBack_IsDeviceError) {
  const uint64_t id = Insert("text");
  const Record old = Raw(id);
  ASSERT_TRUE(Erase(id).ok());
  PutRaw(old);
  EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR);
  EXPECT_EQ(base::CkRv(Erase(id)), CKR_DEVICE_ERROR);
  EXPECT_EQ(CheckAll(), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, RemovedRecord_IsDeviceErrorAndNotAnInvalidHandle) {
  const uint64_t id = Insert("text");
  ASSERT_TRUE(
      Write([&](Transaction& tx) { return tx.Delete(kSpace, id); }).ok());
  EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR);
  EXPECT_EQ(CheckAll(), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, RecordOfAnotherStore_IsDeviceError) {
  const uint64_t id = Insert("text");
  const Record record = Raw(id);
  // The same keys, space, id and version; only the store differs.
  store_ = NewMemoryStore();
  Vault other(store_.get(), kSpace);
  ASSERT_TRUE(Write([&](Transaction& tx) {
                RETURN_IF_ERROR(other.Begin(tx, Vault::kPrivateKey,
                                            keys_.private_key.Expose()));
                return other.Insert(tx, keys_, MakeDraft("x"), id).status();
              }).ok());
  PutRaw(record);
  const absl::Status status = store_->Read(
      [&](Reader& reader) { return other.Open(reader, keys_, id).status(); });
  EXPECT_EQ(base::CkRv(status), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, AnyBitOfTheTree_MakesReadsAndWritesFail) {
  const uint64_t id = Insert("text");
  const std::string middle = absl::StrCat("tree/1/00");
  for (const std::string& name : {std::string("tree/1"), middle}) {
    const Bytes good = *RawValue(name);
    for (const size_t at :
         {size_t{0}, size_t{5}, size_t{20}, good.size() / 2, good.size() - 1}) {
      Bytes bad = good;
      bad[at] ^= 1;
      PutRawValue(name, bad);
      EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR) << name << " " << at;
      EXPECT_EQ(base::CkRv(Erase(id)), CKR_DEVICE_ERROR) << name << " " << at;
    }
    PutRawValue(name, std::nullopt);
    EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR) << name;
    PutRawValue(name, good);
    EXPECT_EQ(OpenRv(id), CKR_OK) << name;
  }
}

TEST_F(VaultTest, OldMiddleNodePutBackWithItsRecord_IsDeviceError) {
  const uint64_t id = Insert("text");
  const Record record = Raw(id);
  const std::optional<Bytes> middle = RawValue("tree/1/00");
  ASSERT_TRUE(Erase(id).ok());
  PutRaw(record);
  PutRawValue("tree/1/00", middle);
  EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR);
}

// The limit that docs/formats/vault.md states: a whole path of one age reads
// as it was, and everything that changed since does not.
TEST_F(VaultTest, OldRootPutBackToo_BreaksWhatChangedSince) {
  const uint64_t id = Insert("text");
  const Record record = Raw(id);
  const std::optional<Bytes> root = RawValue("tree/1");
  const std::optional<Bytes> middle = RawValue("tree/1/00");
  ASSERT_TRUE(Erase(id).ok());
  const uint64_t later = Insert("later");
  PutRaw(record);
  PutRawValue("tree/1/00", middle);
  PutRawValue("tree/1", root);
  EXPECT_EQ(OpenRv(later), CKR_DEVICE_ERROR);
  EXPECT_EQ(CheckAll(), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, ForeignTree_IsDeviceError) {
  const uint64_t id = Insert("text");
  PutRawValue("tree/1", RawValue("tree/0"));
  EXPECT_EQ(OpenRv(id), CKR_DEVICE_ERROR);
}

TEST_F(VaultTest, WrongKey_OpensNothing) {
  const uint64_t id = Insert("text");
  EXPECT_EQ(base::CkRv(Open(id, NewRing()).status()), CKR_DEVICE_ERROR);
}

// ---- Secrets ----

TEST(SecretTest, SealedSecret_OpensUnderItsKeyAndLabelOnly) {
  const SecretBytes key = *base::RandomSecret(32);
  const Bytes secret = {1, 2, 3};
  const Bytes sealed = *SealSecret(key.Expose(), "ring", secret);
  EXPECT_TRUE(OpenSecret(key.Expose(), "ring", sealed)->Equals(secret));
  EXPECT_EQ(base::CkRv(OpenSecret(key.Expose(), "rings", sealed).status()),
            CKR_DEVICE_ERROR);
  const SecretBytes other = *base::RandomSecret(32);
  EXPECT_EQ(base::CkRv(OpenSecret(other.Expose(), "ring", sealed).status()),
            CKR_DEVICE_ERROR);
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes bad = sealed;
    bad[i] ^= 1;
    EXPECT_FALSE(OpenSecret(key.Expose(), "ring", bad).ok()) << i;
    bad.resize(i);
    EXPECT_FALSE(OpenSecret(key.Expose(), "ring", bad).ok()) << i;
  }
}

TEST(SecretTest, KeyRing_SurvivesEncodingWithAbsentKeys) {
  KeyRing ring = NewRing();
  ring.private_key = SecretBytes();
  const SecretBytes encoded = wire::EncodeSecret(ring);
  auto decoded = wire::Decode<KeyRing>(encoded.Expose(), "ring");
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->public_key.Equals(ring.public_key));
  EXPECT_TRUE(decoded->private_key.empty());
  EXPECT_TRUE(decoded->trust_key.Equals(ring.Clone().trust_key));
}

TEST(SecretTest, TrustMac_DependsOnEveryPart) {
  const Bytes key(32, 1), other(32, 2), value = {1, 2};
  const Bytes mac = TrustMac(key, 1, "role", value);
  EXPECT_EQ(mac.size(), 32u);
  EXPECT_EQ(TrustMac(key, 1, "role", value), mac);
  EXPECT_NE(TrustMac(other, 1, "role", value), mac);
  EXPECT_NE(TrustMac(key, 2, "role", value), mac);
  EXPECT_NE(TrustMac(key, 1, "rol", Bytes{'e', 1, 2}), mac);
  EXPECT_NE(TrustMac(key, 1, "role", Bytes{1}), mac);
}

}  // namespace
}  // namespace hsm
