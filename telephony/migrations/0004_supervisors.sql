-- Supervisors' telephones: they may be brought into calls.

ALTER TABLE phones DROP CONSTRAINT phones_kind_check;
ALTER TABLE phones ADD CONSTRAINT phones_kind_check CHECK (kind IN ('agent', 'customer', 'supervisor'));
