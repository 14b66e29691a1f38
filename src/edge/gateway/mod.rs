//! HTTP webhooks and media sockets on one port.
