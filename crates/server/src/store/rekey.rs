//! Gives a record the value ids of another master key, when keys are changed or a record moves to another store.
//!
//! Ids of values that are still held are made anew. Those of values long replaced cannot be: they go on meaning nothing
//! until they end, and a late report of such a value is answered as that of an unknown one.

use std::collections::HashMap;

use wxtoken_core::credential::ValueId;
use wxtoken_core::store::Record;

use super::keys::ValueHasher;

pub(crate) fn rekeyed(mut record: Record, hasher: &ValueHasher) -> Record {
    let mut renamed: HashMap<ValueId, ValueId> = HashMap::new();
    for token in record.lanes.iter_mut().flatten() {
        let id = hasher.id(token.token.expose());
        renamed.insert(std::mem::replace(&mut token.id, id), id);
    }
    for ticket in record.tickets.iter_mut().flatten() {
        let id = hasher.id(ticket.token.expose());
        renamed.insert(std::mem::replace(&mut ticket.id, id), id);
    }
    let rename = |id: &mut ValueId| *id = renamed.get(id).copied().unwrap_or(*id);
    record
        .handed_out
        .iter_mut()
        .filter_map(|out| out.id.as_mut())
        .for_each(rename);
    record
        .remembered
        .iter_mut()
        .map(|old| &mut old.id)
        .for_each(rename);
    record
}

#[cfg(test)]
mod tests {
    use super::super::contract::records::full_record;
    use super::super::keys::tests::key;
    use super::*;

    #[test]
    fn held_values_get_the_new_keys_ids_wherever_they_are_named() {
        let (old, new) = (key(1).value_hasher(), key(2).value_hasher());
        let mut record = rekeyed(full_record(), &old);
        let stable = record.lanes[1].clone().unwrap();
        record.handed_out[0].id = Some(stable.id);
        record.remembered[0].id = stable.id;
        let moved = rekeyed(record.clone(), &new);
        let id = new.id(stable.token.expose());
        assert_eq!(moved.lanes[1].as_ref().unwrap().id, id);
        assert_eq!(moved.handed_out[0].id, Some(id));
        assert_eq!(moved.remembered[0].id, id);
        assert_eq!(moved.remembered[1], record.remembered[1]);
        assert_eq!(rekeyed(moved, &old), record, "and back");
    }
}
