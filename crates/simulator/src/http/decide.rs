//! From a request to an answer: who asks, may they, what is said, what is remembered.

use std::sync::Arc;

use crate::{
    apps::AppCell,
    clock::SimTime,
    endpoints::{Door, Names, Route},
    errcode::{Refusal, rid},
    faults::{Bent, Fault, Wire},
    http::{Answer, Ask},
    log::{Call, Minted},
    passage::Passage,
    rules::{AppState, Grant, Issued, Lane, PathId, Rules, SecretAsk, Verdict, refuse_unless_live},
    token::{Sealed, fingerprint},
    world::Shared,
};

/// How much of a body the log keeps.
const LOGGED_BODY: usize = 2048;

/// Everything an endpoint may look at while it decides.
pub(crate) struct Asked<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) rules: &'a Rules,
    pub(crate) now: SimTime,
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) path: PathId,
    /// The app that was named, or whose token was shown.
    pub(crate) app: Option<Arc<AppCell>>,
    /// The app's token that was shown, if it is one of ours.
    pub(crate) token: Option<Sealed>,
}

impl<'a> Asked<'a> {
    /// Finds out who asks.
    pub(crate) fn new(
        shared: &'a Shared,
        rules: &'a Rules,
        now: SimTime,
        ask: &'a Ask<'a>,
        route: &Route,
        path: PathId,
    ) -> Self {
        let token = match route.door {
            Door::Token => ask
                .params
                .filled("access_token")
                .and_then(|text| shared.minter.open(text)),
            Door::Secret(_) | Door::User | Door::Open => None,
        };
        let app = match route.door {
            Door::Token => token.and_then(|token| shared.apps.at(token.app)),
            Door::Secret(names) => names.appid(ask).and_then(|appid| shared.apps.find(appid)),
            Door::User | Door::Open => ask
                .params
                .get("appid")
                .and_then(|appid| shared.apps.find(appid)),
        };
        Self {
            shared,
            rules,
            now,
            ask,
            path,
            app,
            token,
        }
    }

    /// The answer to this request.
    pub(crate) fn answer(&self, route: &Route) -> Result<Answer, Refusal> {
        if route.door == Door::Token {
            self.admit_token()?;
        }
        let answer = (route.handler)(self)?;
        if let (Door::Token, Some(app)) = (route.door, &self.app) {
            app.lock().spend(self.path, self.rules, self.now);
        }
        Ok(answer)
    }

    /// Refuses a call whose token is missing or not live. The token is looked at before anything else of the call.
    pub(crate) fn admit_token(&self) -> Result<(), Refusal> {
        if self.ask.params.filled("access_token").is_none() {
            return Err(Refusal::of(41001));
        }
        let (Some(app), Some(token)) = (&self.app, self.token) else {
            return refuse_unless_live(Verdict::Unknown, self.rules);
        };
        app.lock().admit_token(
            token.identity(),
            (self.path, self.ask.path),
            self.ask.from,
            self.rules,
            self.now,
        )
    }

    /// Lets another program mint first, where a fault says so.
    fn meet_foreigners(&self, bent: &Bent) {
        let Some(app) = &self.app else { return };
        for fault in bent.faults() {
            if let Fault::ForeignFetch | Fault::ForeignForce = fault {
                let stable = *fault == Fault::ForeignForce;
                app.lock().kill(stable, self.rules, self.now);
            }
        }
    }

    /// Whether the token shown is not live. Changes nothing.
    pub(super) fn shows_bad_token(&self) -> bool {
        match (&self.app, self.token) {
            (Some(app), Some(token)) => !app
                .lock()
                .verdict(token.identity(), self.rules, self.now)
                .is_live(),
            (None, _) | (_, None) => true,
        }
    }

    /// The app a call by AppSecret names: 41002 when it names none, 40013 when nobody knows it.
    pub(crate) fn named_app(&self, names: Names) -> Result<&AppCell, Refusal> {
        match (&self.app, names.appid(self.ask)) {
            (Some(app), _) => Ok(app),
            (None, None) => Err(Refusal::of(41002)),
            (None, Some(_)) => Err(Refusal::of(40013)),
        }
    }

    /// What a caller by AppSecret shows.
    pub(crate) fn secret_ask(
        &self,
        secret: Option<&'a str>,
        grant: Option<Grant<'a>>,
    ) -> SecretAsk<'a> {
        SecretAsk {
            path: (self.path, self.ask.path),
            secret,
            grant,
            from: self.ask.from,
        }
    }

    /// The app whose token was admitted.
    pub(crate) fn token_app(&self) -> Result<(&AppCell, Sealed), Refusal> {
        match (&self.app, self.token) {
            (Some(app), Some(token)) => Ok((app, token)),
            (None, _) | (_, None) => Err(Refusal::of(40001)),
        }
    }

    /// The text of an issued token, and the note that it was minted.
    pub(crate) fn token_text(
        &self,
        state: &AppState,
        stable: bool,
        issued: &Issued,
    ) -> (String, Option<Minted>) {
        let text = self
            .shared
            .minter
            .token(&Sealed::of(state.index, stable, &issued.slot));
        let lane = if stable { Lane::Stable } else { Lane::Classic };
        let minted = issued.minted.then(|| Minted {
            lane,
            value: fingerprint(&text),
            ends: Some(issued.slot.dies),
        });
        (text, minted)
    }
}

/// What was decided, and how it goes onto the wire.
pub(super) struct Decision {
    pub(super) answer: Answer,
    pub(super) wire: Wire,
    pub(super) now: SimTime,
}

/// Decides one request, bent by its faults; counts it, remembers it.
pub(super) fn decide(
    shared: &Shared,
    route: &Route,
    ask: &Ask<'_>,
    rules: &Rules,
    bent: &Bent,
    passage: Arc<Passage>,
) -> Decision {
    let now = bent.shift(shared.clock.now());
    let (path, name) = shared.paths.seen(ask.path);
    let asked = Asked::new(shared, rules, now, ask, route, path);
    if let Some(app) = &asked.app {
        app.lock().saw(path);
    }
    asked.meet_foreigners(bent);
    let decided = bent
        .instead(ask, rules)
        .unwrap_or_else(|| asked.answer(route));
    let answer = decided.unwrap_or_else(|refusal| {
        let rid = rid(now, shared.next_salt());
        Answer::refused(&refusal, route.family, &rules.dress, &rid)
    });
    if let Some(minted) = &answer.minted {
        shared.count_minted(minted.lane);
    }
    let (answer, wire) = (bent.bend(answer), bent.wire());
    shared.log.push(call(&asked, name, &answer, bent, passage));
    Decision { answer, wire, now }
}

/// The AppID a call names, or that its token belongs to.
pub(super) fn appid_of(
    shared: &Shared,
    route: &Route,
    ask: &Ask<'_>,
    rules: &Rules,
) -> Option<Box<str>> {
    let asked = Asked::new(shared, rules, shared.clock.now(), ask, route, PathId(0));
    asked.app.map(|app| app.appid.clone())
}

/// With that reading switched on, a token that is not live is refused before the body is read.
pub(super) fn is_refused_early(
    shared: &Shared,
    route: &Route,
    ask: &Ask<'_>,
    rules: &Rules,
) -> bool {
    rules.readings.refuse_before_body
        && route.door == Door::Token
        && Asked::new(shared, rules, shared.clock.now(), ask, route, PathId(0)).shows_bad_token()
}

fn call(
    asked: &Asked<'_>,
    path: Arc<str>,
    answer: &Answer,
    bent: &Bent,
    passage: Arc<Passage>,
) -> Call {
    let ask = asked.ask;
    let cut = bent.wire() == Wire::Nothing;
    Call {
        seq: 0,
        at: asked.now,
        method: ask.method.clone(),
        path,
        appid: asked.app.as_ref().map(|app| app.appid.clone()),
        token: ask.params.filled("access_token").map(fingerprint),
        status: if cut { 0 } else { answer.status.as_u16() },
        errcode: answer.errcode,
        minted: answer.minted.clone(),
        forced: ask.forces(),
        faults: bent.names(),
        from: ask.from,
        body_len: ask.body_len,
        passage,
        query: ask.query.into(),
        headers: ask.header_lines().into(),
        body: ask.body[..ask.body.len().min(LOGGED_BODY)].into(),
    }
}
