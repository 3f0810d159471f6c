-- A phone may have registered over TCP, TLS or WebSocket, and at any of our listening addresses.

ALTER TABLE registrations
    ADD COLUMN source_transport text NOT NULL DEFAULT 'UDP' CHECK (source_transport IN ('UDP', 'TCP', 'TLS', 'WS', 'WSS')),
    ADD COLUMN listener int NOT NULL DEFAULT 0;
COMMENT ON COLUMN registrations.listener IS
    'Which of our listening addresses of this transport the REGISTER came to, in the order of the settings.';
