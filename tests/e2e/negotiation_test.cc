// Negotiated sessions step by step, as a caller of the vendor's bindings drives
// them, and CA_Extract and CA_Insert on them; clones to other partitions of the
// process.
#include <ctime>
#include <filesystem>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr CK_ULONG kBuffer = 64000;

// One end: a session in a library.
struct End {
  const Host* host;
  CK_SESSION_HANDLE session;
};

struct Step {
  CK_RV rv = CKR_OK;
  CK_ULONG step = 0;
  CK_ULONG status = 99;
  Bytes output;
  Bytes ouid;
};

Step Start(const End& target) {
  Step said;
  said.output.resize(kBuffer);
  CK_ULONG size = kBuffer;
  said.rv = target.host->ca().CA_MigrationStartSessionNegotiation(
      target.session, 0, nullptr, &said.step, &size, said.output.data());
  said.output.resize(said.rv == CKR_OK ? size : 0);
  return said;
}

Step Continue(const End& end, const Step& last, Bytes ouid = {}) {
  Step said;
  Bytes input = last.output;
  said.output.resize(kBuffer);
  said.ouid.resize(kBuffer);
  CK_ULONG size = kBuffer, ouid_size = kBuffer;
  const bool new_ouid = ouid.empty();
  said.rv = end.host->ca().CA_MigrationContinueSessionNegotiation(
      end.session, last.step, input.size(), input.data(), ouid.size(),
      ouid.empty() ? nullptr : ouid.data(), &said.step, &size,
      said.output.data(), &said.status, new_ouid ? &ouid_size : nullptr,
      new_ouid ? said.ouid.data() : nullptr);
  said.output.resize(said.rv == CKR_OK ? size : 0);
  said.ouid.resize(said.rv == CKR_OK && new_ouid ? ouid_size : 0);
  return said;
}

// The parameters of both mechanisms, with everything that they point to.
struct Objects {
  explicit Objects(std::vector<CK_OBJECT_HANDLE> objects)
      : handles(std::move(objects)),
        types(handles.size(), CK_CRYPTOKI_ELEMENT),
        storage(handles.size(), LUNA_STORAGE_FLASH),
        results(handles.size(), 99),
        sizes(handles.size(), kBuffer),
        blobs(handles.size(), Bytes(kBuffer)),
        made(handles.size(), 99) {
    for (Bytes& blob : blobs) pointers.push_back(blob.data());
  }
  CK_RV Extract(const End& end, Bytes input, Bytes ouid,
                CK_ULONG flags = CKF_CPV4_CONTINUE_ON_ERR) {
    CK_CPV4_EXTRACT_PARAMS params = {
        input.size(),   input.data(),   ouid.size(),    ouid.data(),
        flags,          handles.size(), types.data(),   handles.data(),
        results.data(), sizes.data(),   pointers.data()};
    CK_MECHANISM mechanism = {CKM_CPV4_EXTRACT, &params, sizeof params};
    return end.host->ca().CA_Extract(end.session, &mechanism);
  }
  CK_RV Insert(const End& end, Bytes input, Bytes ouid,
               CK_ULONG flags = CKF_CPV4_CONTINUE_ON_ERR) {
    CK_CPV4_INSERT_PARAMS params = {
        input.size(), input.data(),    ouid.size(),    ouid.data(),
        flags,        handles.size(),  types.data(),   storage.data(),
        sizes.data(), pointers.data(), results.data(), made.data()};
    CK_MECHANISM mechanism = {CKM_CPV4_INSERT, &params, sizeof params};
    return end.host->ca().CA_Insert(end.session, &mechanism);
  }

  std::vector<CK_OBJECT_HANDLE> handles;
  std::vector<CK_ULONG> types, storage, results, sizes;
  std::vector<Bytes> blobs;
  std::vector<CK_BYTE*> pointers;
  std::vector<CK_ULONG> made;
};

using Rvs = std::vector<CK_ULONG>;

Plan TwoHsms() {
  Plan plan;
  plan.apps[0].firmware = "7.8.0";
  plan.apps.emplace_back().name = "other";
  plan.apps[1].firmware = "7.8.0";
  return plan;
}

// Two HSMs of firmware 7.8.0 with set clocks; officers in both.
class NegotiationTest : public testing::Test {
 protected:
  NegotiationTest() {
    for (size_t i = 0; i < 2; ++i) {
      bench_.host.InitHsm(bench_.host.admin(i));
      const CK_SESSION_HANDLE so =
          bench_.host.SecurityOfficer(bench_.host.admin(i));
      EXPECT_OK(bench_.host.ca().CA_TimeSync(so, std::time(nullptr)));
    }
    source_ = {&bench_.host, bench_.Officer(0)};
    target_ = {&bench_.host, bench_.Officer(1)};
  }
  CK_OBJECT_HANDLE Note(const std::string& label) {
    return bench_.host.Create(source_.session, e2e::Note(label));
  }
  std::vector<CK_OBJECT_HANDLE> Notes(size_t count) {
    std::vector<CK_OBJECT_HANDLE> notes;
    for (size_t i = 0; i < count; ++i) notes.push_back(Note(std::to_string(i)));
    return notes;
  }
  // Start, 2, 3; fails the test when one fails.
  struct Session {
    Step call, hello, reply;
  };
  Session Negotiate() {
    Session session;
    session.call = Start(target_);
    EXPECT_OK(session.call.rv);
    session.hello = Continue(source_, session.call);
    EXPECT_OK(session.hello.rv);
    session.reply = Continue(target_, session.hello);
    EXPECT_OK(session.reply.rv) << bench_.host.library().LastError();
    return session;
  }
  size_t AtTarget() { return bench_.host.Find(target_.session).size(); }

  Bench bench_{TwoHsms()};
  End source_{}, target_{};
};

// The order, buffers and inputs of the vendor's own tests of its binding: the
// target's last answer is not looked at.
TEST_F(NegotiationTest, AsTheVendorsBindingDrivesIt) {
  const auto objects = MakeEveryKind(bench_.host, source_.session);
  const Step call = Start(target_);
  ASSERT_OK(call.rv);
  EXPECT_EQ(call.step, 2u);
  const Step hello = Continue(source_, call);
  ASSERT_OK(hello.rv);
  EXPECT_EQ(hello.ouid.size(), 12u);
  EXPECT_OK(Continue(target_, hello).rv);
  Objects items(objects);
  ASSERT_OK(items.Extract(source_, hello.output, hello.ouid))
      << bench_.host.library().LastError();
  EXPECT_EQ(items.results, Rvs(objects.size(), CKR_OK));
  ASSERT_OK(items.Insert(target_, hello.output, hello.ouid));
  EXPECT_EQ(items.results, Rvs(objects.size(), CKR_OK));
  for (size_t i = 0; i < objects.size(); ++i) {
    EXPECT_EQ(bench_.host.Ouid(target_.session, items.made[i]),
              bench_.host.Ouid(source_.session, objects[i]));
  }
  EXPECT_EQ(ReadPartition(bench_.host, target_.session),
            ReadPartition(bench_.host, source_.session));
}

TEST_F(NegotiationTest, StepByStep_WithTheReplyAsInput) {
  const Session session = Negotiate();
  EXPECT_EQ(session.hello.step, 3u);
  EXPECT_EQ(session.hello.status, 0u);
  EXPECT_EQ(session.reply.step, 4u);
  EXPECT_EQ(session.reply.status, 1u);
  EXPECT_EQ(session.reply.ouid, session.hello.ouid);
  const Step bound = Continue(source_, session.reply, session.hello.ouid);
  ASSERT_OK(bound.rv);
  EXPECT_EQ(bound.step, 5u);
  EXPECT_EQ(bound.status, 1u);
  EXPECT_EQ(bound.output, Bytes());
  // Two calls in one session.
  for (int i = 0; i < 2; ++i) {
    Objects items(Notes(3));
    ASSERT_OK(items.Extract(source_, session.reply.output, session.hello.ouid));
    ASSERT_OK(items.Insert(target_, {}, session.hello.ouid));
    EXPECT_EQ(items.results, Rvs(3, CKR_OK));
  }
  EXPECT_EQ(AtTarget(), 6u);
}

// The blobs are of CPv4, whose number is their first byte.
TEST_F(NegotiationTest, BlobsAreOfCpv4) {
  const Session session = Negotiate();
  Objects items({Note("a")});
  ASSERT_OK(items.Extract(source_, session.reply.output, session.hello.ouid));
  EXPECT_EQ(items.blobs[0][0], 4);
}

// Two configurations with one fleet root, in two copies of the library: the
// caller alone carries the messages.
TEST_F(NegotiationTest, BetweenTwoProcesses_TheReplyMustBeCarried) {
  Site other_site((Plan()));
  std::filesystem::create_directory(other_site.state());
  std::filesystem::copy(bench_.site.state() + "/fleet",
                        other_site.state() + "/fleet");
  Host other(other_site, Library::Second());
  other.InitPartition(0);
  const End far{&other, other.Officer(0)};
  const Step call = Start(far);
  ASSERT_OK(call.rv);
  const Step hello = Continue(source_, call);
  ASSERT_OK(hello.rv);
  const Step reply = Continue(far, hello);
  ASSERT_OK(reply.rv) << other.library().LastError();
  Objects items({Note("a")});
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID,
            items.Extract(source_, hello.output, hello.ouid));
  ASSERT_OK(items.Extract(source_, reply.output, hello.ouid));
  ASSERT_OK(items.Insert(far, reply.output, reply.ouid));
  EXPECT_EQ(items.results, Rvs{CKR_OK});
  EXPECT_EQ(other.Find(far.session).size(), 1u);
}

// --- sizes ---

TEST_F(NegotiationTest, SizeQueriesDoNothing) {
  const CK_SFNT_CA_FUNCTION_LIST& ca = bench_.host.ca();
  CK_ULONG step = 7, size = 0;
  ASSERT_OK(ca.CA_MigrationStartSessionNegotiation(target_.session, 0, nullptr,
                                                   &step, &size, nullptr));
  EXPECT_EQ(size, 14u);
  EXPECT_EQ(step, 7u);
  Bytes small(13);
  size = small.size();
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            ca.CA_MigrationStartSessionNegotiation(target_.session, 0, nullptr,
                                                   &step, &size, small.data()));
  EXPECT_EQ(size, 14u);

  const Step call = Start(target_);
  Bytes input = call.output, ouid(12), output(kBuffer);
  CK_ULONG status = 7, ouid_size = 0;
  size = 0;
  ASSERT_OK(ca.CA_MigrationContinueSessionNegotiation(
      source_.session, 2, input.size(), input.data(), 0, nullptr, &step, &size,
      nullptr, &status, &ouid_size, nullptr));
  EXPECT_EQ(ouid_size, 12u);
  EXPECT_GT(size, 14u);
  EXPECT_EQ(status, 7u);
  ouid_size = 11;
  size = kBuffer;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            ca.CA_MigrationContinueSessionNegotiation(
                source_.session, 2, input.size(), input.data(), 0, nullptr,
                &step, &size, output.data(), &status, &ouid_size, ouid.data()));
  EXPECT_EQ(ouid_size, 12u);
  // Nothing was begun: the source is still free.
  const Step hello = Continue(source_, call);
  ASSERT_OK(hello.rv);
  const Step reply = Continue(target_, hello);
  ASSERT_OK(reply.rv);

  Objects items(Notes(2));
  items.sizes = {0, 0};
  items.pointers = {nullptr, nullptr};
  ASSERT_OK(items.Extract(source_, reply.output, hello.ouid));
  EXPECT_EQ(items.results, Rvs(2, CKR_OK));
  EXPECT_GT(items.sizes[0], 100u);
  const Rvs told = items.sizes;
  Objects again(items.handles);
  again.sizes = {told[0], told[1] / 2};
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            again.Extract(source_, reply.output, hello.ouid));
  EXPECT_EQ(again.sizes, told);
  ASSERT_OK(again.Extract(source_, reply.output, hello.ouid));
  EXPECT_LE(again.sizes[0], told[0]);
  ASSERT_OK(again.Insert(target_, {}, hello.ouid));
  EXPECT_EQ(AtTarget(), 2u);
}

// --- items ---

TEST_F(NegotiationTest, BadItemsHaveTheirOwnResults) {
  const Session session = Negotiate();
  const CK_OBJECT_HANDLE a = Note("a"), b = Note("b");
  Objects items({a, 0x12345, a, b});
  items.types[2] = 77;
  ASSERT_OK(items.Extract(source_, session.reply.output, session.hello.ouid));
  EXPECT_EQ(items.results, (Rvs{CKR_OK, CKR_OBJECT_HANDLE_INVALID,
                                CKR_OBJECT_TYPE_INVALID, CKR_OK}));
  EXPECT_EQ(items.sizes[1], 0u);
  EXPECT_EQ(items.sizes[2], 0u);
  items.types[2] = CK_CRYPTOKI_ELEMENT;
  ASSERT_OK(items.Insert(target_, {}, session.hello.ouid));
  EXPECT_EQ(items.results, (Rvs{CKR_OK, CKR_CLONE_NOT_ATTEMPTED,
                                CKR_CLONE_NOT_ATTEMPTED, CKR_OK}));
  EXPECT_EQ(AtTarget(), 2u);
}

TEST_F(NegotiationTest, WithoutTheFlagTheFirstFailureStops) {
  const Session session = Negotiate();
  const CK_OBJECT_HANDLE a = Note("a"), b = Note("b");
  Objects items({a, 0x12345, b});
  EXPECT_RV(
      CKR_FAILED_TO_CLONE_AN_OBJECT,
      items.Extract(source_, session.reply.output, session.hello.ouid, 0));
  EXPECT_EQ(items.results,
            (Rvs{CKR_OK, CKR_OBJECT_HANDLE_INVALID, CKR_CLONE_NOT_ATTEMPTED}));
  EXPECT_RV(CKR_FAILED_TO_CLONE_AN_OBJECT,
            items.Insert(target_, {}, session.hello.ouid, 0));
  EXPECT_EQ(items.results,
            (Rvs{CKR_OK, CKR_CLONE_NOT_ATTEMPTED, CKR_CLONE_NOT_ATTEMPTED}));
  EXPECT_EQ(AtTarget(), 1u);
}

TEST_F(NegotiationTest, AlteredRepeatedOrSwappedBlobsAreRefused) {
  const Session session = Negotiate();
  const auto notes = Notes(2);
  Objects items(notes);
  ASSERT_OK(items.Extract(source_, session.reply.output, session.hello.ouid));
  std::swap(items.pointers[0], items.pointers[1]);
  std::swap(items.sizes[0], items.sizes[1]);
  ASSERT_OK(items.Insert(target_, {}, session.hello.ouid));
  EXPECT_EQ(items.results, (Rvs{CKR_DEVICE_ERROR, CKR_SESSION_ID_EXPIRED}));

  const Session second = Negotiate();
  Objects altered(notes);
  ASSERT_OK(altered.Extract(source_, second.reply.output, second.hello.ouid));
  altered.blobs[0][altered.sizes[0] - 1] ^= 1;
  ASSERT_OK(altered.Insert(target_, {}, second.hello.ouid));
  EXPECT_EQ(altered.results[0], CKR_DEVICE_ERROR);

  const Session third = Negotiate();
  Objects once(notes);
  ASSERT_OK(once.Extract(source_, third.reply.output, third.hello.ouid));
  ASSERT_OK(once.Insert(target_, {}, third.hello.ouid));
  EXPECT_EQ(once.results, Rvs(2, CKR_OK));
  ASSERT_OK(once.Insert(target_, {}, third.hello.ouid));
  EXPECT_EQ(once.results[0], CKR_DEVICE_ERROR);
  EXPECT_EQ(AtTarget(), 2u);
}

TEST_F(NegotiationTest, BlobOfAnotherSessionIsRefused) {
  const Session one = Negotiate(), two = Negotiate();
  Objects items({Note("a")});
  ASSERT_OK(items.Extract(source_, one.reply.output, one.hello.ouid));
  ASSERT_OK(items.Insert(target_, {}, two.hello.ouid));
  EXPECT_EQ(items.results, Rvs{CKR_DEVICE_ERROR});
  ASSERT_OK(items.Insert(target_, {}, one.hello.ouid));
  EXPECT_EQ(items.results, Rvs{CKR_OK});
}

// --- what is refused ---

TEST_F(NegotiationTest, WrongStepsAndInputsAreRefused) {
  const Step call = Start(target_);
  Step wrong = call;
  wrong.step = 3;
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID, Continue(source_, wrong).rv);
  wrong.step = 1;
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID, Continue(source_, wrong).rv);
  wrong = call;
  wrong.output.resize(13);
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID, Continue(source_, wrong).rv);
  wrong = call;
  wrong.output[0] = 2;
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID, Continue(source_, wrong).rv);
  EXPECT_RV(CKR_SESSION_ID_INVALID, Continue(source_, call, Bytes(12, 1)).rv);
  EXPECT_RV(CKR_SESSION_ID_INVALID, Continue(source_, call, Bytes(11, 1)).rv);
  const Step hello = Continue(source_, call);
  ASSERT_OK(hello.rv);
  EXPECT_RV(CKR_SESSION_ID_EXISTS, Continue(source_, call).rv);
  // The source did not start it, so it does not answer.
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID, Continue(source_, hello).rv);
  ASSERT_OK(Continue(target_, hello).rv);
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID, Continue(target_, hello).rv);
  CK_ULONG step = 0, size = 100;
  Bytes bytes(100);
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            bench_.host.ca().CA_MigrationStartSessionNegotiation(
                target_.session, 5, bytes.data(), &step, &size, bytes.data()));
}

TEST_F(NegotiationTest, AlteredHelloOrReplyIsRefused) {
  Step hello = Continue(source_, Start(target_));
  hello.output[hello.output.size() / 2] ^= 1;
  EXPECT_RV(CKR_DEVICE_ERROR, Continue(target_, hello).rv);
  Session session = Negotiate();
  session.reply.output[session.reply.output.size() / 2] ^= 1;
  Objects items({Note("a")});
  EXPECT_RV(CKR_DEVICE_ERROR,
            items.Extract(source_, session.reply.output, session.hello.ouid));
}

TEST_F(NegotiationTest, BadParametersAreRefused) {
  const Session session = Negotiate();
  CK_CPV4_EXTRACT_PARAMS params = {};
  CK_MECHANISM mechanism = {CKM_CPV4_EXTRACT, &params, sizeof params - 1};
  const CK_SFNT_CA_FUNCTION_LIST& ca = bench_.host.ca();
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            ca.CA_Extract(source_.session, &mechanism));
  mechanism.ulParameterLen = sizeof params;
  EXPECT_RV(CKR_ARGUMENTS_BAD, ca.CA_Extract(source_.session, &mechanism));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            (mechanism.mechanism = CKM_CPV4_INSERT,
             ca.CA_Insert(target_.session, &mechanism)));
  mechanism.mechanism = CKM_AES_CBC_PAD_EXTRACT;
  EXPECT_RV(CKR_MECHANISM_INVALID, ca.CA_Extract(source_.session, &mechanism));
  EXPECT_RV(CKR_ARGUMENTS_BAD, ca.CA_Extract(source_.session, nullptr));
  Objects items({Note("a")});
  EXPECT_RV(CKR_SESSION_ID_INVALID,
            items.Extract(target_, session.reply.output, session.hello.ouid));
  EXPECT_RV(CKR_SESSION_ID_INVALID,
            items.Insert(source_, session.reply.output, session.hello.ouid));
  EXPECT_RV(CKR_SESSION_NEGOTIATION_INVALID,
            items.Extract(source_, Bytes(20, 1), session.hello.ouid));
}

// --- the end ---

TEST_F(NegotiationTest, CloseEndsIt) {
  const Session session = Negotiate();
  Bytes ouid = session.hello.ouid;
  const CK_SFNT_CA_FUNCTION_LIST& ca = bench_.host.ca();
  ASSERT_OK(
      ca.CA_MigrationCloseSession(source_.session, ouid.size(), ouid.data()));
  EXPECT_RV(
      CKR_SESSION_ID_INVALID,
      ca.CA_MigrationCloseSession(source_.session, ouid.size(), ouid.data()));
  Objects items({Note("a")});
  EXPECT_RV(CKR_SESSION_ID_INVALID,
            items.Extract(source_, session.reply.output, ouid));
  ASSERT_OK(
      ca.CA_MigrationCloseSession(target_.session, ouid.size(), ouid.data()));
}

// As the vendor's test does: the target continues its own call, and closes.
TEST_F(NegotiationTest, TargetMayContinueItselfAndClose) {
  const Step call = Start(target_);
  Step hello = Continue(target_, call);
  ASSERT_OK(hello.rv);
  EXPECT_EQ(hello.ouid.size(), 12u);
  EXPECT_OK(bench_.host.ca().CA_MigrationCloseSession(
      target_.session, hello.ouid.size(), hello.ouid.data()));
}

TEST_F(NegotiationTest, LogoutEndsIt) {
  const Session session = Negotiate();
  ASSERT_OK(bench_.host.c().C_Logout(source_.session));
  ASSERT_OK(bench_.host.TryLogin(source_.session, CKU_USER, kOfficerPin));
  Objects items({Note("a")});
  EXPECT_RV(CKR_SESSION_ID_EXPIRED,
            items.Extract(source_, session.reply.output, session.hello.ouid));
}

TEST_F(NegotiationTest, OtherDomainIsRefusedBeforeAnythingIsSealed) {
  Plan plan = TwoHsms();
  Site site(plan);
  Host host(site, Library::Second());
  host.InitPartition(0);
  host.InitPartition(1, kOtherDomain);
  const End source{&host, host.Officer(0)}, target{&host, host.Officer(1)};
  const Step hello = Continue(source, Start(target));
  const Step reply = Continue(target, hello);
  ASSERT_OK(reply.rv);
  Objects items({host.Create(source.session, e2e::Note("a"))});
  EXPECT_RV(CKR_CERTIFICATE_INVALID,
            items.Extract(source, reply.output, hello.ouid));
  EXPECT_EQ(items.blobs[0], Bytes(kBuffer));
}

// --- to other partitions of the process ---

TEST_F(NegotiationTest, AllObjectsGoToASlot) {
  const auto objects = MakeEveryKind(bench_.host, source_.session);
  const CK_SFNT_CA_FUNCTION_LIST& ca = bench_.host.ca();
  for (int i = 0; i < 2; ++i) {  // again: they are there
    ASSERT_OK(ca.CA_CloneAllObjectsToSession(source_.session,
                                             bench_.host.partition(1)));
  }
  EXPECT_EQ(ReadPartition(bench_.host, target_.session),
            ReadPartition(bench_.host, source_.session));
  EXPECT_RV(CKR_SLOT_ID_INVALID,
            ca.CA_CloneAllObjectsToSession(source_.session, 4711));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, ca.CA_CloneAllObjectsToSession(
                                        source_.session, bench_.host.backup()));
  ASSERT_OK(bench_.host.c().C_Logout(target_.session));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            ca.CA_CloneAllObjectsToSession(source_.session,
                                           bench_.host.partition(1)));
}

TEST_F(NegotiationTest, OneObjectGoesToAllThatAreLoggedInTo) {
  const CK_OBJECT_HANDLE note = Note("a");
  const CK_SFNT_CA_FUNCTION_LIST& ca = bench_.host.ca();
  ASSERT_OK(ca.CA_CloneObjectToAllSessions(source_.session, note));
  EXPECT_EQ(AtTarget(), 1u);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
            ca.CA_CloneObjectToAllSessions(source_.session, 0x12345));
  ASSERT_OK(bench_.host.c().C_Logout(target_.session));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            ca.CA_CloneObjectToAllSessions(source_.session, note));
}

}  // namespace
}  // namespace e2e
