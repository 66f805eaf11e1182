/* The handshake and the records of a cloning run, as docs/formats/handshake.md
 * and docs/formats/cloning.md have them, between every order of messages that
 * a courier can make: drop, replay, reorder, reflect, mix of runs, and a
 * hostile HSM that is enrolled. Symbolic: signatures and MACs are terms that
 * only their keys make, so a message here is what stands in it.
 *
 * Runs: two of an initiator and two of a responder. Which HSM each belongs to
 * is chosen anew in every execution, so two runs of one HSM and an HSM that is
 * both ends are among them. The courier delivers any message that was ever
 * sent, by any end, to any run, as often as it likes, also with the other form
 * of an ECDSA signature; and it speaks as the enrolled HSM M.
 *
 * Built with one of the WITHOUT_ macros a rule is missing, and the check must
 * find the attack that the rule is there for: tests/model/run.
 */

#define HSM_A 0
#define HSM_B 1
#define HSM_M 2 /* enrolled and hostile */

#define INITIATORS 2
#define RESPONDERS 2
/* Ephemerals: of an initiator 0 and 1, of a responder 2 and 3, of M 4. */
#define EPHEMERAL_I(me) (me)
#define EPHEMERAL_R(me) (INITIATORS + (me))
#define EPHEMERAL_M 4
#define NOBODY 9

#define RECORDS 2 /* of a run; the end record is the next one */

typedef Hello {
  byte owner;     /* whose certificate, and statement */
  byte partition; /* in the statement */
  byte ephemeral;
  bit form; /* of the signature */
};

typedef Reply {
  Hello hello; /* what it answers, as it arrived */
  byte owner;
  byte partition;
  byte ephemeral;
  byte domain; /* under which the confirmation was made; NOBODY: by guess */
  bit form;
};

typedef Finish {
  Hello hello;
  Reply reply; /* as it arrived */
  bit confirmed;
};

/* What an end remembers. */
typedef Initiator {
  byte owner;
  byte partition;
  byte state; /* 0 to begin, 1 hello sent, 2 finished, 3 refused */
  Hello hello;
  Reply reply;
  byte sealed; /* records sent, the end record included */
};
typedef Responder {
  byte owner;
  byte partition;
  byte state; /* 0 waits for a hello, 1 replied, 2 finished, 3 refused */
  Hello hello;
  Reply reply;
  byte opened; /* records taken */
  bit complete;
};

Initiator initiator[INITIATORS];
Responder responder[RESPONDERS];
bit finish_sent[INITIATORS];
byte domain_of_m; /* 1: M is in the domain of A and B */

#define SAME_HELLO(a, b)                                  \
  (a.owner == b.owner && a.partition == b.partition &&    \
   a.ephemeral == b.ephemeral && a.form == b.form)
#define SAME_REPLY(a, b)                                  \
  (SAME_HELLO(a.hello, b.hello) && a.owner == b.owner &&  \
   a.partition == b.partition && a.ephemeral == b.ephemeral && \
   a.domain == b.domain && a.form == b.form)
#define COPY_HELLO(to, from)      \
  to.owner = from.owner;          \
  to.partition = from.partition;  \
  to.ephemeral = from.ephemeral;  \
  to.form = from.form
#define COPY_REPLY(to, from)          \
  COPY_HELLO(to.hello, from.hello);   \
  to.owner = from.owner;              \
  to.partition = from.partition;      \
  to.ephemeral = from.ephemeral;      \
  to.domain = from.domain;            \
  to.form = from.form

#define HONEST(owner_) ((owner_) != HSM_M)
#define DOMAIN_OF(owner_) (HONEST(owner_) -> 1 : domain_of_m)

/* --- the courier's choices: a message for a run to read -------------------- */

Hello offered_hello;
Reply offered_reply;

inline offer_hello() {
  /* One that was sent, in either form of its signature, or one of M's. */
  if
  :: initiator[0].state != 0 -> COPY_HELLO(offered_hello, initiator[0].hello)
  :: initiator[1].state != 0 -> COPY_HELLO(offered_hello, initiator[1].hello)
  :: offered_hello.owner = HSM_M; offered_hello.partition = 2;
     offered_hello.ephemeral = EPHEMERAL_M; offered_hello.form = 0
#ifdef WITHOUT_SIGNED_HELLO
  /* M's ephemeral under the name of another. */
  :: offered_hello.owner = HSM_A; offered_hello.partition = 0;
     offered_hello.ephemeral = EPHEMERAL_M; offered_hello.form = 0
#endif
  fi;
  if
  :: offered_hello.form = 0
  :: offered_hello.form = 1
  fi
}

inline offer_reply(to) {
  if
  :: responder[0].state != 0 -> COPY_REPLY(offered_reply, responder[0].reply)
  :: responder[1].state != 0 -> COPY_REPLY(offered_reply, responder[1].reply)
  /* One of M's to that hello. It can confirm what it shares Z of, by its own
   * domain; with an ephemeral that it copied it can confirm nothing. */
  :: COPY_HELLO(offered_reply.hello, initiator[to].hello);
     offered_reply.owner = HSM_M; offered_reply.partition = 2;
     offered_reply.form = 0;
     if
     :: offered_reply.ephemeral = EPHEMERAL_M;
        offered_reply.domain = domain_of_m
     :: offered_reply.ephemeral = EPHEMERAL_R(0); offered_reply.domain = NOBODY
     :: offered_reply.ephemeral = EPHEMERAL_R(1); offered_reply.domain = NOBODY
     fi
#ifdef WITHOUT_SIGNED_REPLY
  /* M's ephemeral and confirmation under the name of another. */
  :: domain_of_m == 1 ->
     COPY_HELLO(offered_reply.hello, initiator[to].hello);
     offered_reply.owner = HSM_B; offered_reply.partition = 1;
     offered_reply.form = 0; offered_reply.ephemeral = EPHEMERAL_M;
     offered_reply.domain = 1
#endif
  fi;
  if
  :: offered_reply.form = 0
  :: offered_reply.form = 1
  fi
}

/* What was offered is no part of the state. */
inline forget() {
  offered_hello.owner = 0; offered_hello.partition = 0;
  offered_hello.ephemeral = 0; offered_hello.form = 0;
  COPY_HELLO(offered_reply.hello, offered_hello);
  offered_reply.owner = 0; offered_reply.partition = 0;
  offered_reply.ephemeral = 0; offered_reply.domain = 0;
  offered_reply.form = 0;
  peer = 0; from = 0; number = 0
}

/* --- the ends ---------------------------------------------------------------- */

/* What must hold when an initiator has finished with an honest peer: that peer
 * answered this very hello, with the same statements, ephemerals and domain. */
inline check_initiator(me) {
  if
  :: HONEST(initiator[me].reply.owner) ->
     peer = initiator[me].reply.ephemeral - INITIATORS;
     assert(initiator[me].reply.ephemeral != EPHEMERAL_M);
     assert(peer < RESPONDERS);
     assert(responder[peer].state != 0);
     assert(responder[peer].owner == initiator[me].reply.owner);
     assert(responder[peer].partition == initiator[me].reply.partition);
     assert(SAME_HELLO(responder[peer].hello, initiator[me].hello));
     assert(DOMAIN_OF(initiator[me].owner) == 1)
  :: else ->
     /* M holds the keys of its own run, which its domain had to fit. */
     assert(domain_of_m == 1);
     assert(initiator[me].reply.ephemeral == EPHEMERAL_M)
  fi
}

/* When a responder has: the peer finished with it, once, and both remember the
 * same transcript. */
inline check_responder(me) {
  if
  :: HONEST(responder[me].hello.owner) ->
     peer = responder[me].hello.ephemeral;
     assert(peer < INITIATORS);
     assert(initiator[peer].state == 2);
     assert(initiator[peer].owner == responder[me].hello.owner);
     assert(initiator[peer].partition == responder[me].hello.partition);
     assert(SAME_HELLO(initiator[peer].hello, responder[me].hello));
     assert(SAME_REPLY(initiator[peer].reply, responder[me].reply));
     /* Injective: no other responder finished with that run. */
     assert(responder[1 - me].state != 2 ||
            responder[1 - me].hello.ephemeral != peer)
  :: else -> assert(domain_of_m == 1)
  fi
}

inline send_hello(me) {
  initiator[me].hello.owner = initiator[me].owner;
  initiator[me].hello.partition = initiator[me].partition;
  initiator[me].hello.ephemeral = EPHEMERAL_I(me);
  initiator[me].hello.form = 0;
  initiator[me].state = 1
}

inline read_hello(me) {
  offer_hello();
  if
  /* check_peer: this very partition is no peer. */
  :: offered_hello.owner == responder[me].owner &&
     offered_hello.partition == responder[me].partition ->
     responder[me].state = 3
  :: else ->
     COPY_HELLO(responder[me].hello, offered_hello);
     COPY_HELLO(responder[me].reply.hello, offered_hello);
     responder[me].reply.owner = responder[me].owner;
     responder[me].reply.partition = responder[me].partition;
     responder[me].reply.ephemeral = EPHEMERAL_R(me);
     responder[me].reply.domain = DOMAIN_OF(responder[me].owner);
     responder[me].reply.form = 0;
     responder[me].state = 1;
     /* Whoever knows Z may test guesses of the domain: never one without a
      * device identity. */
     assert(responder[me].hello.ephemeral != EPHEMERAL_M ||
            responder[me].hello.owner == HSM_M)
  fi
}

inline read_reply(me) {
  offer_reply(me);
  if
#ifndef WITHOUT_HELLO_IN_REPLY
  :: !SAME_HELLO(offered_reply.hello, initiator[me].hello) ->
     initiator[me].state = 3
#endif
  :: offered_reply.owner == initiator[me].owner &&
     offered_reply.partition == initiator[me].partition ->
     initiator[me].state = 3
  :: offered_reply.domain != DOMAIN_OF(initiator[me].owner) ->
     initiator[me].state = 3
#ifdef WITHOUT_HELLO_IN_REPLY
  :: offered_reply.domain == DOMAIN_OF(initiator[me].owner) &&
     !(offered_reply.owner == initiator[me].owner &&
       offered_reply.partition == initiator[me].partition) ->
#else
  :: else ->
#endif
     COPY_REPLY(initiator[me].reply, offered_reply);
     finish_sent[me] = 1;
     initiator[me].state = 2;
     check_initiator(me)
  fi
}

/* The finish of `from`, or M's own where it was the initiator. */
inline read_finish(me) {
  if
  :: finish_sent[0] -> from = 0
  :: finish_sent[1] -> from = 1
  :: responder[me].hello.owner == HSM_M && domain_of_m == 1 -> from = NOBODY
#ifdef WITHOUT_FINISH
  :: from = 8
#endif
  fi;
  if
  :: from == NOBODY -> responder[me].state = 2; check_responder(me)
#ifdef WITHOUT_FINISH
  :: from == 8 -> responder[me].state = 2; check_responder(me)
#endif
  :: from < INITIATORS ->
     if
     :: SAME_HELLO(initiator[from].hello, responder[me].hello) &&
        SAME_REPLY(initiator[from].reply, responder[me].reply) ->
        responder[me].state = 2;
        check_responder(me)
#ifdef WITHOUT_TRANSCRIPT
     /* Only that the peer signed some finish. */
     :: initiator[from].owner == responder[me].hello.owner ->
        responder[me].state = 2;
        check_responder(me)
#endif
     :: else -> responder[me].state = 3
     fi
  fi
}

/* A record of any run, with any number that was sealed: the key and the
 * associated data are of one transcript, one direction, one number. */
inline read_record(me) {
  if
  :: initiator[0].sealed > 0 -> from = 0
  :: initiator[1].sealed > 0 -> from = 1
  fi;
  if
  :: number = 0
  :: initiator[from].sealed > 1 -> number = 1
  :: initiator[from].sealed > 2 -> number = 2
  fi;
  if
  :: (SAME_HELLO(initiator[from].hello, responder[me].hello) &&
      SAME_REPLY(initiator[from].reply, responder[me].reply)
#ifndef WITHOUT_RECORD_NUMBERS
      && number == responder[me].opened
#endif
     ) ->
     /* Every record arrives once, in its place, from the run's own peer. */
     assert(number == responder[me].opened);
     assert(responder[me].hello.ephemeral == EPHEMERAL_I(from));
     if
     :: number == RECORDS ->
        responder[me].complete = 1;
        assert(responder[me].opened == RECORDS)
     :: else -> skip
     fi;
     responder[me].opened++
  :: else -> responder[me].state = 3
  fi
}

/* --- everything, in every order ------------------------------------------------ */

active proctype Courier() {
  byte me, peer, from, number;
  /* Whose runs they are; A has the partitions 0 and 3, B has 1. */
  d_step { domain_of_m = 0 }
  if :: domain_of_m = 0 :: domain_of_m = 1 fi;
  for (me : 0 .. INITIATORS - 1) {
    if
    :: initiator[me].owner = HSM_A; initiator[me].partition = 0
    :: initiator[me].owner = HSM_A; initiator[me].partition = 3
    :: initiator[me].owner = HSM_B; initiator[me].partition = 1
    fi
  }
  for (me : 0 .. RESPONDERS - 1) {
    if
    :: responder[me].owner = HSM_A; responder[me].partition = 0
    :: responder[me].owner = HSM_B; responder[me].partition = 1
    fi
  }
  me = 0;
  do
  :: initiator[0].state == 0 -> atomic { send_hello(0) }
  :: initiator[1].state == 0 -> atomic { send_hello(1) }
  :: responder[0].state == 0 -> atomic { read_hello(0); forget() }
  :: responder[1].state == 0 -> atomic { read_hello(1); forget() }
  :: initiator[0].state == 1 -> atomic { read_reply(0); forget() }
  :: initiator[1].state == 1 -> atomic { read_reply(1); forget() }
  :: responder[0].state == 1 &&
     (finish_sent[0] || finish_sent[1] || responder[0].hello.owner == HSM_M) ->
     atomic { read_finish(0); forget() }
  :: responder[1].state == 1 &&
     (finish_sent[0] || finish_sent[1] || responder[1].hello.owner == HSM_M) ->
     atomic { read_finish(1); forget() }
  :: initiator[0].state == 2 && initiator[0].sealed <= RECORDS ->
     initiator[0].sealed++
  :: initiator[1].state == 2 && initiator[1].sealed <= RECORDS ->
     initiator[1].sealed++
  :: responder[0].state == 2 && !responder[0].complete &&
     HONEST(responder[0].hello.owner) &&
     (initiator[0].sealed > 0 || initiator[1].sealed > 0) ->
     atomic { read_record(0); forget() }
  :: responder[1].state == 2 && !responder[1].complete &&
     HONEST(responder[1].hello.owner) &&
     (initiator[0].sealed > 0 || initiator[1].sealed > 0) ->
     atomic { read_record(1); forget() }
  :: break
  od
}
