"""The store on both databases: types, transactions, the schema, the audit log, tenants and their keys."""
