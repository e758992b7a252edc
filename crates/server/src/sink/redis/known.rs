//! What the sinks at a Redis ask the keeper of the credentials.

use std::sync::Arc;

use wxtoken_core::credential::{Credential, CredentialKey, Token, ValueId};

use super::judge::Acquaintance;
use super::kept::Truth;
use crate::keeper::Keeper;

impl Truth for Keeper {
    fn current(&self, key: &CredentialKey) -> Option<Arc<Credential>> {
        self.peek(key).ok()
    }

    fn acquaintance(&self, key: CredentialKey) -> Box<dyn Acquaintance + '_> {
        Box::new(Known { keeper: self, key })
    }
}

/// Values as the keeper knows them.
struct Known<'k> {
    keeper: &'k Keeper,
    key: CredentialKey,
}

impl Acquaintance for Known<'_> {
    fn id_of(&self, token: &Token) -> ValueId {
        self.keeper.id_of(token.expose())
    }

    fn is_ours(&self, id: ValueId) -> bool {
        self.keeper.owner_of(id) == Some(self.key)
    }
}
