#include "device/link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/certificate.h"
#include "cloning/forecast.h"
#include "cloning/local_endpoint.h"
#include "cloning/rules.h"
#include "device/status_messages.h"
#include "hsm/manifest_book.h"

namespace device {
namespace {

using hsm_io::Call;
using hsm_io::Empty;

constexpr size_t kObjectsAPage = 1000;
constexpr size_t kHandlesAPage = 100000;

absl::StatusOr<hsm::Role> ToRole(uint8_t number) {
  if (number > static_cast<uint8_t>(hsm::Role::kAuditor)) {
    return base::Error(CKR_USER_TYPE_INVALID, "unknown role");
  }
  return static_cast<hsm::Role>(number);
}

}  // namespace

void Link::BindTo(hsm_io::Server& server) {
  BindHsm(server);
  BindCondition(server);
  BindRoles(server);
  BindContainers(server);
  BindObjects(server);
  BindManifests(server);
  BindForecast(server);
  BindRuns(server);
}

void Link::Drop() {
  runs_.clear();
  for (auto& [space, login] : logins_) EndLogin(*login);
  logins_.clear();
}

void Link::EndLogin(hsm::Login& login) {
  if (login.ended()) return;
  login.End();
  const auto partition = hsm_.LookUp(login.space());
  if (partition.ok() && *partition != nullptr) {
    (*partition)->NoteLogout(login.role());
  }
}

absl::StatusOr<hsm::Partition*> Link::Space(uint32_t space) {
  ASSIGN_OR_RETURN(hsm::Partition * partition, hsm_.LookUp(space));
  if (partition == nullptr) {
    return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                       absl::StrCat("no backup partition ", space));
  }
  return partition;
}

hsm::LoginRef Link::LoginOf(uint32_t space) {
  auto it = logins_.find(space);
  if (it == logins_.end()) return nullptr;
  if (!it->second->ended()) return it->second;
  logins_.erase(it);
  return nullptr;
}

absl::StatusOr<hsm::LoginRef> Link::NeedLogin(uint32_t space) {
  hsm::LoginRef login = LoginOf(space);
  if (login == nullptr) {
    return base::ErrorWithReason(
        CKR_USER_NOT_LOGGED_IN, hsm_io::kNoLogin,
        space == 0 ? "the HSM SO is not logged in"
                   : "nobody is logged in to the backup partition");
  }
  return login;
}

void Link::BindHsm(hsm_io::Server& server) {
  server.On<hsm_io::GetHsmStatus>([this](const hsm_io::GetHsmStatus&, Call&) {
    return MakeHsmStatus(hsm_);
  });
  server.On<hsm_io::InitHsm>(
      [this](const hsm_io::InitHsm& m, Call&) -> absl::StatusOr<Empty> {
        RETURN_IF_ERROR(hsm_.Init(m.label, m.so_pin, m.domain.Expose()));
        Drop();
        return Empty{};
      });
  server.On<hsm_io::SetHsmPolicies>(
      [this](const hsm_io::SetHsmPolicies& m, Call&) -> absl::StatusOr<Empty> {
        hsm::LoginRef so = LoginOf(0);
        RETURN_IF_ERROR(hsm_.SetPolicies(so.get(), FromMessage(m.changes),
                                         m.allow_destructive));
        return Empty{};
      });
  server.On<hsm_io::ZeroizeHsm>(
      [this](const hsm_io::ZeroizeHsm& m, Call&) -> absl::StatusOr<Empty> {
        RETURN_IF_ERROR(m.factory_reset ? hsm_.FactoryReset() : hsm_.Zeroize());
        Drop();
        return Empty{};
      });
  server.On<hsm_io::Adopt>([this](const hsm_io::Adopt& m,
                                  Call&) -> absl::StatusOr<Empty> {
    ASSIGN_OR_RETURN(base::Certificate root, base::Certificate::Parse(m.root));
    ASSIGN_OR_RETURN(base::Certificate certificate,
                     base::Certificate::Parse(m.certificate));
    RETURN_IF_ERROR(hsm_.Adopt(m.so_pin, root, certificate));
    return Empty{};
  });
  server.On<hsm_io::UpdateFirmware>(
      [this](const hsm_io::UpdateFirmware& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(const hsm::LoginRef so, NeedLogin(0));
        RETURN_IF_ERROR(hsm_.InstallFirmware(*so, m.image, m.code));
        return Empty{};
      });
  server.On<hsm_io::RollbackFirmware>(
      [this](const hsm_io::RollbackFirmware&, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(const hsm::LoginRef so, NeedLogin(0));
        RETURN_IF_ERROR(hsm_.RollbackFirmware(*so));
        Drop();
        return Empty{};
      });
}

void Link::BindCondition(hsm_io::Server& server) {
  server.On<hsm_io::GetCondition>(
      [this](const hsm_io::GetCondition&,
             Call&) -> absl::StatusOr<hsm_io::GetCondition::Reply> {
        ASSIGN_OR_RETURN(const hsm::Condition condition, hsm_.GetCondition());
        return hsm_io::GetCondition::Reply{condition.transport,
                                           condition.decommissioned,
                                           condition.tampered_at};
      });
  server.On<hsm_io::SetTransport>(
      [this](const hsm_io::SetTransport& m,
             Call&) -> absl::StatusOr<hsm_io::SetTransport::Reply> {
        using What = hsm_io::SetTransport::What;
        const hsm::LoginRef so = LoginOf(0);
        hsm_io::SetTransport::Reply reply;
        switch (static_cast<What>(m.what)) {
          case What::kEnter: {
            ASSIGN_OR_RETURN(const hsm::TransportStrings strings,
                             hsm_.EnterTransport(so.get()));
            reply.user = strings.user;
            reply.verification = strings.verification;
            return reply;
          }
          case What::kVerify: {
            ASSIGN_OR_RETURN(reply.verification,
                             hsm_.TransportVerification(so.get(), m.user));
            return reply;
          }
          case What::kLeave:
            RETURN_IF_ERROR(hsm_.LeaveTransport(so.get()));
            return reply;
        }
        return base::Error(CKR_ARGUMENTS_BAD, "an unknown request");
      });
  server.On<hsm_io::SetTamper>(
      [this](const hsm_io::SetTamper& m, Call&) -> absl::StatusOr<Empty> {
        RETURN_IF_ERROR(m.tampered ? hsm_.Tamper()
                                   : hsm_.ClearTamper(LoginOf(0).get()));
        return Empty{};
      });
}

void Link::BindRoles(hsm_io::Server& server) {
  server.On<hsm_io::Login>(
      [this](const hsm_io::Login& m,
             Call&) -> absl::StatusOr<hsm_io::Login::Reply> {
        ASSIGN_OR_RETURN(hsm::Role role, ToRole(m.role));
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        hsm::LoginRef old = LoginOf(m.space);
        if (old != nullptr) {
          return base::Error(old->role() == role
                                 ? CKR_USER_ALREADY_LOGGED_IN
                                 : CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
                             "a role is logged in there already");
        }
        ASSIGN_OR_RETURN(hsm::LoginRef login, partition->Unlock(role, m.pin));
        hsm_io::Login::Reply reply;
        reply.must_change_pin = login->must_change_pin();
        hsm::ManifestBook::CloseLeftOpen(*partition, *login);
        logins_[m.space] = std::move(login);
        return reply;
      });
  server.On<hsm_io::Logout>(
      [this](const hsm_io::Logout& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        EndLogin(*login);
        logins_.erase(m.space);
        return Empty{};
      });
  server.On<hsm_io::InitRole>(
      [this](const hsm_io::InitRole& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::Role role, ToRole(m.role));
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        if (role == hsm::Role::kAuditor) {
          // Makes itself while the SO is logged out.
          if (LoginOf(m.space) != nullptr) {
            return base::Error(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
                               "the Auditor is made while nobody is logged in");
          }
          RETURN_IF_ERROR(partition->InitAuditor(m.pin));
          return Empty{};
        }
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        RETURN_IF_ERROR(partition->InitRole(*login, role, m.pin));
        return Empty{};
      });
  server.On<hsm_io::ChangePin>(
      [this](const hsm_io::ChangePin& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::Role role, ToRole(m.role));
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        RETURN_IF_ERROR(partition->ChangePin(role, m.old_pin, m.new_pin));
        return Empty{};
      });
  server.On<hsm_io::GetRoleStatus>(
      [this](const hsm_io::GetRoleStatus& m,
             Call&) -> absl::StatusOr<hsm_io::RoleStatus> {
        ASSIGN_OR_RETURN(hsm::Role role, ToRole(m.role));
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::RoleState state, partition->State(role));
        return ToMessage(state);
      });
}

void Link::BindContainers(hsm_io::Server& server) {
  server.On<hsm_io::ListContainers>(
      [this](const hsm_io::ListContainers&,
             Call&) -> absl::StatusOr<hsm_io::ListContainers::Reply> {
        ASSIGN_OR_RETURN(std::vector<hsm::PartitionInfo> all,
                         hsm_.Partitions());
        hsm_io::ListContainers::Reply reply;
        for (const hsm::PartitionInfo& info : all) {
          ASSIGN_OR_RETURN(hsm::Partition * partition, Space(info.space));
          ASSIGN_OR_RETURN(hsm_io::ContainerStatus status,
                           MakeContainerStatus(*partition, info));
          reply.containers.push_back(std::move(status));
        }
        return reply;
      });
  server.On<hsm_io::CreateContainer>(
      [this](const hsm_io::CreateContainer& m,
             Call&) -> absl::StatusOr<hsm_io::CreateContainer::Reply> {
        ASSIGN_OR_RETURN(hsm::LoginRef so, NeedLogin(0));
        hsm::PartitionSpec spec;
        spec.label = m.label;
        spec.capacity = m.capacity;
        spec.version = m.version;
        hsm_io::CreateContainer::Reply reply;
        ASSIGN_OR_RETURN(reply.space, hsm_.CreatePartition(*so, spec));
        if (m.pin.empty()) return reply;
        if (absl::Status made = InitNew(reply.space, m); !made.ok()) {
          hsm_.DeletePartition(*so, reply.space).IgnoreError();
          return made;
        }
        return reply;
      });
  server.On<hsm_io::InitContainer>(
      [this](const hsm_io::InitContainer& m, Call&) -> absl::StatusOr<Empty> {
        RETURN_IF_ERROR(NeedLogin(0).status());
        if (m.space == 0) {
          return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                             "the admin partition is initialised by InitHsm");
        }
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        RETURN_IF_ERROR(partition->Init(m.label, m.so_pin, m.domain.Expose()));
        logins_.erase(m.space);
        return Empty{};
      });
  server.On<hsm_io::DeleteContainer>(
      [this](const hsm_io::DeleteContainer& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::LoginRef so, NeedLogin(0));
        RETURN_IF_ERROR(hsm_.DeletePartition(*so, m.space));
        logins_.erase(m.space);
        return Empty{};
      });
  server.On<hsm_io::ResizeContainer>(
      [this](const hsm_io::ResizeContainer& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::LoginRef so, NeedLogin(0));
        RETURN_IF_ERROR(hsm_.ResizePartition(*so, m.space, m.capacity));
        return Empty{};
      });
  server.On<hsm_io::SetDomain>(
      [this](const hsm_io::SetDomain& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        RETURN_IF_ERROR(partition->SetDomain(*login, m.domain.Expose()));
        return Empty{};
      });
  server.On<hsm_io::ChangeLabel>(
      [this](const hsm_io::ChangeLabel& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        RETURN_IF_ERROR(partition->ChangeLabel(*login, m.label));
        return Empty{};
      });
  server.On<hsm_io::GetContainerPolicies>(
      [this](const hsm_io::GetContainerPolicies& m,
             Call&) -> absl::StatusOr<hsm_io::GetContainerPolicies::Reply> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::HsmInfo info, hsm_.Info());
        ASSIGN_OR_RETURN(hsm::PolicyValues policies, partition->Policies());
        hsm_io::GetContainerPolicies::Reply reply;
        reply.capabilities =
            ToMessage(hsm::PartitionCapabilities(*info.model, *info.firmware));
        reply.policies = ToMessage(policies);
        return reply;
      });
  server.On<hsm_io::SetContainerPolicies>(
      [this](const hsm_io::SetContainerPolicies& m,
             Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        RETURN_IF_ERROR(partition->SetPolicies(*login, FromMessage(m.changes),
                                               m.allow_destructive));
        return Empty{};
      });
}

// What makes a new container ready: PO, domain, CO.
absl::Status Link::InitNew(uint32_t space, const hsm_io::CreateContainer& m) {
  ASSIGN_OR_RETURN(hsm::Partition * partition, Space(space));
  RETURN_IF_ERROR(partition->Init(m.label, m.pin, m.domain.Expose()));
  ASSIGN_OR_RETURN(hsm::LoginRef po, partition->Unlock(hsm::Role::kSo, m.pin));
  absl::Status made = partition->InitRole(*po, hsm::Role::kCo, m.pin);
  EndLogin(*po);
  return made;
}

void Link::BindObjects(hsm_io::Server& server) {
  server.On<hsm_io::ListObjects>(
      [this](const hsm_io::ListObjects& m,
             Call&) -> absl::StatusOr<hsm_io::ListObjects::Reply> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        ASSIGN_OR_RETURN(const std::vector<uint64_t> handles,
                         partition->Handles(login.get()));
        hsm_io::ListObjects::Reply reply;
        for (auto it =
                 std::upper_bound(handles.begin(), handles.end(), m.after);
             it != handles.end(); ++it) {
          const uint64_t handle = *it;
          hsm_io::ObjectStatus status;
          status.handle = handle;
          absl::StatusOr<hsm::ObjectRef> object =
              partition->Get(login.get(), handle);
          if (base::CkRv(object.status()) == CKR_OBJECT_HANDLE_INVALID) {
            continue;  // gone since
          }
          if (!object.ok()) {
            // Not to be passed over: a restore must not seem whole without it.
            status.object_class = CK_UNAVAILABLE_INFORMATION;
            reply.objects.push_back(std::move(status));
            if (reply.objects.size() == kObjectsAPage) break;
            continue;
          }
          const hsm::AttributeSet& set = (*object)->attributes();
          base::ByteSpan ouid = set.Value(CKA_OUID);
          std::copy_n(ouid.begin(), std::min(ouid.size(), status.ouid.size()),
                      status.ouid.begin());
          status.object_class = set.object_class();
          status.key_type = set.key_type();
          status.label = std::string(base::AsText(set.Value(CKA_LABEL)));
          status.size = partition->CostOf(set);
          status.is_private = (*object)->is_private();
          reply.objects.push_back(std::move(status));
          if (reply.objects.size() == kObjectsAPage) break;
        }
        return reply;
      });
  server.On<hsm_io::ListHandles>(
      [this](const hsm_io::ListHandles& m,
             Call&) -> absl::StatusOr<hsm_io::ListHandles::Reply> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        hsm_io::ListHandles::Reply reply;
        ASSIGN_OR_RETURN(reply.handles, partition->Handles(login.get()));
        const auto first = std::upper_bound(reply.handles.begin(),
                                            reply.handles.end(), m.after);
        reply.handles.erase(reply.handles.begin(), first);
        if (reply.handles.size() > kHandlesAPage) {
          reply.handles.resize(kHandlesAPage);
        }
        return reply;
      });
  server.On<hsm_io::DestroyObjects>(
      [this](const hsm_io::DestroyObjects& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        if (m.handles.empty()) {
          RETURN_IF_ERROR(partition->Clear(login.get()));
        }
        for (uint64_t handle : m.handles) {
          RETURN_IF_ERROR(partition->Destroy(login.get(), handle));
        }
        return Empty{};
      });
}

void Link::BindManifests(hsm_io::Server& server) {
  server.On<hsm_io::ReadManifest>(
      [this](const hsm_io::ReadManifest& m,
             Call&) -> absl::StatusOr<hsm_io::ReadManifest::Reply> {
        ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        if (m.page == 0) {
          hsm::ManifestBook::CloseLeftOpen(*partition, *login);
        }
        ASSIGN_OR_RETURN(const hsm::ManifestBook::Page page,
                         hsm::ManifestBook(*partition).Read(m.page));
        hsm_io::ReadManifest::Reply reply;
        reply.seq = page.seq;
        reply.text = base::ToBytes(base::AsBytes(page.text));
        reply.next = page.next;
        return reply;
      });
}

namespace {

absl::StatusOr<hsm_io::RunForecast::Reply> ForecastInto(
    hsm::Partition& partition, hsm::Login* login,
    const hsm_io::RunForecast& m) {
  hsm_io::RunForecast::Reply reply;
  ASSIGN_OR_RETURN(const hsm::Statement own, partition.MakeStatement());
  reply.statement = wire::Encode(own);
  ASSIGN_OR_RETURN(cloning::Room room, cloning::Room::Of(partition));
  reply.room = room.bytes();
  if (m.left.has_value()) room = cloning::Room(std::min(*m.left, room.bytes()));
  room.set_full(m.full);
  cloning::TargetForecast forecast;
  if (!m.source.empty()) {
    ASSIGN_OR_RETURN(const auto source,
                     wire::Decode<hsm::Statement>(m.source, "statement"));
    ASSIGN_OR_RETURN(const auto objects,
                     wire::Decode<std::vector<cloning::ForecastObject>>(
                         m.objects, "objects"));
    ASSIGN_OR_RETURN(forecast, cloning::ForecastTarget(partition, login, source,
                                                       objects, room));
  }
  reply.forecast = wire::Encode(forecast);
  reply.left = room.bytes();
  reply.full = room.full();
  return reply;
}

}  // namespace

void Link::BindForecast(hsm_io::Server& server) {
  server.On<hsm_io::RunForecast>(
      [this](const hsm_io::RunForecast& m,
             Call&) -> absl::StatusOr<hsm_io::RunForecast::Reply> {
        ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
        if (m.space != 0) {
          ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
          RETURN_IF_ERROR(cloning::CheckLogin(login));
          RETURN_IF_ERROR(partition->DomainSecrets(*login).status());
          return ForecastInto(*partition, login.get(), m);
        }
        // The container is made as it would be, asked, and taken back with the
        // transaction.
        absl::StatusOr<hsm_io::RunForecast::Reply> reply;
        const absl::Status undone = hsm_.Atomically([&]() -> absl::Status {
          hsm::PartitionSpec spec;
          spec.label = m.label;
          spec.capacity = m.capacity;
          ASSIGN_OR_RETURN(const hsm::SpaceId space,
                           hsm_.CreatePartition(*login, spec));
          ASSIGN_OR_RETURN(hsm::Partition * partition, Space(space));
          reply = ForecastInto(*partition, nullptr, m);
          return absl::CancelledError("a forecast changes nothing");
        });
        if (!absl::IsCancelled(undone)) return undone;
        return reply;
      });
}

absl::StatusOr<cloning::Endpoint*> Link::Run(uint32_t run) {
  auto it = runs_.find(run);
  if (it == runs_.end()) {
    return base::Error(CKR_OPERATION_NOT_INITIALIZED,
                       "there is no such cloning run");
  }
  return it->second.get();
}

absl::StatusOr<uint32_t> Link::Keep(
    std::unique_ptr<cloning::Endpoint> endpoint) {
  if (runs_.size() >= kMaxRuns) runs_.erase(runs_.begin());  // the oldest
  const uint32_t run = next_run_++;
  runs_[run] = std::move(endpoint);
  return run;
}

void Link::BindRuns(hsm_io::Server& server) {
  server.On<hsm_io::RunStart>([this](const hsm_io::RunStart& m, Call&)
                                  -> absl::StatusOr<hsm_io::RunStart::Reply> {
    ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
    ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
    auto source = std::make_unique<cloning::LocalEndpoint>(partition, login);
    hsm_io::RunStart::Reply reply;
    ASSIGN_OR_RETURN(reply.hello, source->Start());
    ASSIGN_OR_RETURN(reply.run, Keep(std::move(source)));
    return reply;
  });
  server.On<hsm_io::RunBind>(
      [this](const hsm_io::RunBind& m, Call&) -> absl::StatusOr<Empty> {
        ASSIGN_OR_RETURN(cloning::Endpoint * source, Run(m.run));
        absl::Status bound = source->Bind(m.reply);
        if (!bound.ok()) {
          runs_.erase(m.run);
          return bound;
        }
        return Empty{};
      });
  server.On<hsm_io::RunNext>(
      [this](const hsm_io::RunNext& m,
             Call&) -> absl::StatusOr<hsm_io::RunNext::Reply> {
        ASSIGN_OR_RETURN(cloning::Endpoint * source, Run(m.run));
        ASSIGN_OR_RETURN(cloning::Batch batch,
                         m.end ? source->End() : source->Next(m.handles));
        hsm_io::RunNext::Reply reply;
        reply.batch = wire::Encode(batch);
        return reply;
      });
  server.On<hsm_io::RunJoin>([this](const hsm_io::RunJoin& m, Call&)
                                 -> absl::StatusOr<hsm_io::RunJoin::Reply> {
    ASSIGN_OR_RETURN(hsm::Partition * partition, Space(m.space));
    ASSIGN_OR_RETURN(hsm::LoginRef login, NeedLogin(m.space));
    auto target = std::make_unique<cloning::LocalEndpoint>(partition, login);
    hsm_io::RunJoin::Reply reply;
    ASSIGN_OR_RETURN(reply.reply, target->Join(m.hello));
    ASSIGN_OR_RETURN(reply.run, Keep(std::move(target)));
    return reply;
  });
  server.On<hsm_io::RunAccept>(
      [this](const hsm_io::RunAccept& m,
             Call&) -> absl::StatusOr<hsm_io::RunAccept::Reply> {
        ASSIGN_OR_RETURN(cloning::Endpoint * target, Run(m.run));
        ASSIGN_OR_RETURN(auto options, wire::Decode<cloning::AcceptOptions>(
                                           m.options, "options"));
        ASSIGN_OR_RETURN(std::vector<cloning::TargetResult> results,
                         target->Accept(m.sealed, options));
        hsm_io::RunAccept::Reply reply;
        reply.results = wire::Encode(results);
        return reply;
      });
  server.On<hsm_io::RunOffer>(
      [this](const hsm_io::RunOffer& m,
             Call&) -> absl::StatusOr<hsm_io::RunOffer::Reply> {
        ASSIGN_OR_RETURN(cloning::Endpoint * source, Run(m.run));
        ASSIGN_OR_RETURN(const cloning::SealedOffer offer,
                         source->Offer(m.handles));
        hsm_io::RunOffer::Reply reply;
        reply.offer = wire::Encode(offer);
        return reply;
      });
  server.On<hsm_io::RunCompare>(
      [this](const hsm_io::RunCompare& m,
             Call&) -> absl::StatusOr<hsm_io::RunCompare::Reply> {
        ASSIGN_OR_RETURN(cloning::Endpoint * target, Run(m.run));
        ASSIGN_OR_RETURN(const std::vector<cloning::Held> held,
                         target->Compare(m.sealed));
        hsm_io::RunCompare::Reply reply;
        reply.held = wire::Encode(held);
        return reply;
      });
  server.On<hsm_io::RunClose>(
      [this](const hsm_io::RunClose& m, Call&) -> absl::StatusOr<Empty> {
        runs_.erase(m.run);
        return Empty{};
      });
}

}  // namespace device
