-- The whole schema on PostgreSQL. Generated: python -m tools.schema

CREATE TABLE audit_entry (
    seq BIGINT NOT NULL,
    server_time TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    type TEXT NOT NULL,
    object TEXT NOT NULL,
    payload_digest BYTEA NOT NULL,
    previous BYTEA NOT NULL,
    leaf BYTEA NOT NULL,
    CONSTRAINT pk_audit_entry PRIMARY KEY (seq),
    CONSTRAINT ck_audit_entry_seq CHECK (seq >= 1),
    CONSTRAINT ck_audit_entry_actor CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_audit_entry_type CHECK (length(type) BETWEEN 1 AND 100),
    CONSTRAINT ck_audit_entry_object CHECK (length(object) BETWEEN 1 AND 200),
    CONSTRAINT uq_audit_entry_leaf UNIQUE (leaf),
    CONSTRAINT ck_audit_entry_payload_digest CHECK (length(payload_digest) = 32),
    CONSTRAINT ck_audit_entry_previous CHECK (length(previous) = 32),
    CONSTRAINT ck_audit_entry_leaf CHECK (length(leaf) = 32)
);
CREATE INDEX ix_audit_entry_object ON audit_entry (object);

CREATE TABLE audit_head (
    id INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    previous BYTEA NOT NULL,
    CONSTRAINT pk_audit_head PRIMARY KEY (id),
    CONSTRAINT ck_audit_head_id CHECK (id = 1),
    CONSTRAINT ck_audit_head_seq CHECK (seq >= 0),
    CONSTRAINT ck_audit_head_previous CHECK (length(previous) = 32)
);

CREATE TABLE chain (
    id TEXT NOT NULL,
    reference BIGINT NOT NULL,
    name TEXT NOT NULL,
    native_symbol TEXT NOT NULL,
    native_decimals INTEGER NOT NULL,
    finality_confirmations INTEGER,
    start_block BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    number INTEGER NOT NULL,
    CONSTRAINT pk_chain PRIMARY KEY (id),
    CONSTRAINT uq_chain_reference UNIQUE (reference),
    CONSTRAINT uq_chain_number UNIQUE (number),
    CONSTRAINT ck_chain_id CHECK (id = 'eip155:' || CAST(reference AS TEXT)),
    CONSTRAINT ck_chain_reference CHECK (reference >= 1),
    CONSTRAINT ck_chain_name CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_chain_native_symbol CHECK (length(native_symbol) BETWEEN 1 AND 40),
    CONSTRAINT ck_chain_native_decimals CHECK (native_decimals BETWEEN 0 AND 77),
    CONSTRAINT ck_chain_finality_confirmations CHECK (finality_confirmations >= 1),
    CONSTRAINT ck_chain_start_block CHECK (start_block >= 0),
    CONSTRAINT ck_chain_number CHECK (number BETWEEN 1 AND 127)
);

CREATE TABLE job_executor (
    id TEXT NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_job_executor PRIMARY KEY (id)
);

CREATE TABLE tenant (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_tenant PRIMARY KEY (id),
    CONSTRAINT ck_tenant_name CHECK (length(name) BETWEEN 1 AND 200)
);

CREATE TABLE transfer (
    key BIGINT NOT NULL,
    tx_hash BYTEA NOT NULL,
    contract BYTEA NOT NULL,
    sender BYTEA NOT NULL,
    recipient BYTEA NOT NULL,
    amount_units NUMERIC(78, 0) NOT NULL,
    recorded_at BIGINT NOT NULL,
    CONSTRAINT pk_transfer PRIMARY KEY (key),
    CONSTRAINT ck_transfer_key CHECK (key >= 0),
    CONSTRAINT ck_transfer_tx_hash CHECK (length(tx_hash) = 32),
    CONSTRAINT ck_transfer_contract CHECK (length(contract) = 20),
    CONSTRAINT ck_transfer_sender CHECK (length(sender) = 20),
    CONSTRAINT ck_transfer_recipient CHECK (length(recipient) = 20),
    CONSTRAINT ck_transfer_amount_units CHECK (amount_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
CREATE INDEX ix_transfer_recipient_key ON transfer (recipient, key);
CREATE INDEX ix_transfer_sender_key ON transfer (sender, key);

CREATE TABLE transfer_account (
    account BYTEA NOT NULL,
    key BIGINT NOT NULL,
    CONSTRAINT pk_transfer_account PRIMARY KEY (account, key),
    CONSTRAINT ck_transfer_account_account CHECK (length(account) = 20)
);

CREATE TABLE transfer_unsorted (
    id TEXT NOT NULL,
    first_key BIGINT NOT NULL,
    last_key BIGINT NOT NULL,
    transfers BIGINT NOT NULL,
    CONSTRAINT pk_transfer_unsorted PRIMARY KEY (id),
    CONSTRAINT ck_transfer_unsorted_first_key CHECK (first_key >= 0),
    CONSTRAINT ck_transfer_unsorted_last_key CHECK (last_key >= first_key),
    CONSTRAINT ck_transfer_unsorted_transfers CHECK (transfers >= 1)
);
CREATE INDEX ix_transfer_unsorted_first_key ON transfer_unsorted (first_key);

CREATE TABLE account_set (
    chain_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    size INTEGER NOT NULL,
    CONSTRAINT pk_account_set PRIMARY KEY (chain_id, digest),
    CONSTRAINT ck_account_set_size CHECK (size >= 0),
    CONSTRAINT fk_account_set_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_account_set_digest CHECK (length(digest) = 32)
);

CREATE TABLE api_key (
    id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_key PRIMARY KEY (id),
    CONSTRAINT ck_api_key_name CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT uq_api_key_key_hash UNIQUE (key_hash),
    CONSTRAINT fk_api_key_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id),
    CONSTRAINT ck_api_key_key_hash CHECK (length(key_hash) = 32)
);
CREATE INDEX ix_api_key_tenant_id ON api_key (tenant_id);

CREATE TABLE asset (
    id TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    contract BYTEA,
    symbol TEXT NOT NULL,
    name TEXT NOT NULL,
    decimals INTEGER NOT NULL,
    code_hash BYTEA,
    implementation BYTEA,
    implementation_code_hash BYTEA,
    registered_block_number BIGINT NOT NULL,
    registered_block_hash BYTEA NOT NULL,
    registered_block_time BIGINT NOT NULL,
    unfit_for TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_asset PRIMARY KEY (id),
    CONSTRAINT ck_asset_id CHECK (id = lower(id)),
    CONSTRAINT ck_asset_decimals CHECK (decimals BETWEEN 0 AND 77),
    CONSTRAINT ck_asset_pinned CHECK ((contract IS NULL) = (code_hash IS NULL)),
    CONSTRAINT ck_asset_implementation_pinned CHECK ((implementation IS NULL) = (implementation_code_hash IS NULL)),
    CONSTRAINT ck_asset_registered_block_number CHECK (registered_block_number >= 0),
    CONSTRAINT fk_asset_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_asset_contract CHECK (length(contract) = 20),
    CONSTRAINT ck_asset_code_hash CHECK (length(code_hash) = 32),
    CONSTRAINT ck_asset_implementation CHECK (length(implementation) = 20),
    CONSTRAINT ck_asset_implementation_code_hash CHECK (length(implementation_code_hash) = 32),
    CONSTRAINT ck_asset_registered_block_hash CHECK (length(registered_block_hash) = 32)
);
CREATE INDEX ix_asset_chain_id_contract ON asset (chain_id, contract);

CREATE TABLE audit_payload (
    seq BIGINT NOT NULL,
    tenant_id TEXT NOT NULL,
    salt BYTEA NOT NULL,
    payload TEXT NOT NULL,
    CONSTRAINT pk_audit_payload PRIMARY KEY (seq),
    CONSTRAINT fk_audit_payload_seq_audit_entry FOREIGN KEY(seq) REFERENCES audit_entry (seq),
    CONSTRAINT fk_audit_payload_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id),
    CONSTRAINT ck_audit_payload_salt CHECK (length(salt) = 16)
);
CREATE INDEX ix_audit_payload_tenant_id_seq ON audit_payload (tenant_id, seq);
ALTER TABLE audit_payload ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_payload FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_payload USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE block (
    chain_id TEXT NOT NULL,
    hash BYTEA NOT NULL,
    number BIGINT NOT NULL,
    time BIGINT NOT NULL,
    parent_hash BYTEA,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_block PRIMARY KEY (chain_id, number),
    CONSTRAINT uq_block_chain_id_hash UNIQUE (chain_id, hash),
    CONSTRAINT ck_block_number CHECK (number >= 0),
    CONSTRAINT ck_block_time CHECK (time >= 0),
    CONSTRAINT fk_block_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_block_hash CHECK (length(hash) = 32),
    CONSTRAINT ck_block_parent_hash CHECK (length(parent_hash) = 32)
);
CREATE INDEX ix_block_chain_id_time ON block (chain_id, time);

CREATE TABLE chain_lease (
    chain_id TEXT NOT NULL,
    holder TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    asked_until TIMESTAMP WITH TIME ZONE,
    passes_wanted BIGINT NOT NULL,
    passes_made BIGINT NOT NULL,
    CONSTRAINT pk_chain_lease PRIMARY KEY (chain_id),
    CONSTRAINT ck_chain_lease_epoch CHECK (epoch >= 0),
    CONSTRAINT ck_chain_lease_passes_wanted CHECK (passes_wanted >= 0),
    CONSTRAINT ck_chain_lease_passes_made CHECK (passes_made BETWEEN 0 AND passes_wanted),
    CONSTRAINT fk_chain_lease_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id)
);

CREATE TABLE chain_node (
    id TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    url TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    checked_at TIMESTAMP WITH TIME ZONE,
    head_block BIGINT,
    final_block BIGINT,
    last_error TEXT,
    CONSTRAINT pk_chain_node PRIMARY KEY (id),
    CONSTRAINT ck_chain_node_position CHECK (position >= 0),
    CONSTRAINT ck_chain_node_url CHECK (length(url) BETWEEN 1 AND 2000),
    CONSTRAINT fk_chain_node_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id)
);
CREATE INDEX ix_chain_node_chain_id_position ON chain_node (chain_id, position);

CREATE TABLE chain_reading (
    chain_id TEXT NOT NULL,
    agreement INTEGER NOT NULL,
    hashable BOOLEAN,
    stopped_at TIMESTAMP WITH TIME ZONE,
    stopped_reason TEXT,
    CONSTRAINT pk_chain_reading PRIMARY KEY (chain_id),
    CONSTRAINT ck_chain_reading_agreement CHECK (agreement BETWEEN 1 AND 10),
    CONSTRAINT ck_chain_reading_stopped CHECK ((stopped_at IS NULL) = (stopped_reason IS NULL)),
    CONSTRAINT fk_chain_reading_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id)
);

CREATE TABLE disagreement (
    id TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    kind TEXT NOT NULL,
    first_block BIGINT NOT NULL,
    last_block BIGINT NOT NULL,
    detail TEXT NOT NULL,
    found_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_disagreement PRIMARY KEY (id),
    CONSTRAINT uq_disagreement_chain_id_fingerprint UNIQUE (chain_id, fingerprint),
    CONSTRAINT ck_disagreement_kind CHECK (kind IN ('logs', 'receipts', 'chain')),
    CONSTRAINT ck_disagreement_first_block CHECK (first_block >= 0),
    CONSTRAINT ck_disagreement_last_block CHECK (last_block >= first_block),
    CONSTRAINT ck_disagreement_detail CHECK (length(detail) BETWEEN 1 AND 2000),
    CONSTRAINT fk_disagreement_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_disagreement_fingerprint CHECK (length(fingerprint) = 32)
);

CREATE TABLE emitter (
    chain_id TEXT NOT NULL,
    contract BYTEA NOT NULL,
    CONSTRAINT pk_emitter PRIMARY KEY (chain_id, contract),
    CONSTRAINT fk_emitter_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_emitter_contract CHECK (length(contract) = 20)
);

CREATE TABLE idempotency_key (
    tenant_id TEXT NOT NULL,
    key TEXT NOT NULL,
    request_digest BYTEA NOT NULL,
    state TEXT NOT NULL,
    status INTEGER,
    body BYTEA,
    content_type TEXT,
    location TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_idempotency_key PRIMARY KEY (tenant_id, key),
    CONSTRAINT ck_idempotency_key_key CHECK (length(key) BETWEEN 1 AND 255),
    CONSTRAINT ck_idempotency_key_state CHECK (state IN ('in_flight', 'done')),
    CONSTRAINT ck_idempotency_key_status CHECK (status BETWEEN 100 AND 599),
    CONSTRAINT ck_idempotency_key_answer CHECK (state <> 'done' OR (status IS NOT NULL AND body IS NOT NULL)),
    CONSTRAINT fk_idempotency_key_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id),
    CONSTRAINT ck_idempotency_key_request_digest CHECK (length(request_digest) = 32)
);
CREATE INDEX ix_idempotency_key_created_at ON idempotency_key (created_at);
ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_key USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE job (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    state TEXT NOT NULL,
    step TEXT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    failure TEXT,
    open_key TEXT,
    CONSTRAINT pk_job PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_job_open_key UNIQUE (open_key),
    CONSTRAINT ck_job_kind CHECK (kind IN ('sealing', 'repair', 'assessment')),
    CONSTRAINT ck_job_state CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    CONSTRAINT ck_job_object_id CHECK (length(object_id) BETWEEN 1 AND 200),
    CONSTRAINT ck_job_step CHECK (length(step) BETWEEN 1 AND 200),
    CONSTRAINT ck_job_done CHECK (done >= 0),
    CONSTRAINT ck_job_total CHECK (total >= 0),
    CONSTRAINT ck_job_attempt CHECK (attempt >= 0),
    CONSTRAINT ck_job_failure CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT ck_job_finished_at CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT ck_job_open_key CHECK ((state IN ('queued', 'running')) = (open_key IS NOT NULL)),
    CONSTRAINT fk_job_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_job_state_created_at ON job (state, created_at);
CREATE INDEX ix_job_tenant_id_created_at ON job (tenant_id, created_at);
ALTER TABLE job ENABLE ROW LEVEL SECURITY;
ALTER TABLE job FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON job USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE native_setting (
    chain_id TEXT NOT NULL,
    is_read BOOLEAN NOT NULL,
    CONSTRAINT pk_native_setting PRIMARY KEY (chain_id),
    CONSTRAINT fk_native_setting_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id)
);

CREATE TABLE party (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT,
    email TEXT,
    locale TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_party PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_party_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id),
    CONSTRAINT ck_party_name CHECK (length(name) BETWEEN 1 AND 500),
    CONSTRAINT ck_party_kind CHECK (kind IN ('person', 'firm')),
    CONSTRAINT ck_party_email CHECK (length(email) BETWEEN 1 AND 320),
    CONSTRAINT ck_party_locale CHECK (length(locale) BETWEEN 1 AND 35)
);
ALTER TABLE party ENABLE ROW LEVEL SECURITY;
ALTER TABLE party FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON party USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE provisional_block (
    chain_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    time BIGINT NOT NULL,
    parent_hash BYTEA,
    accounts BYTEA NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_provisional_block PRIMARY KEY (chain_id, number),
    CONSTRAINT ck_provisional_block_number CHECK (number >= 0),
    CONSTRAINT ck_provisional_block_time CHECK (time >= 0),
    CONSTRAINT fk_provisional_block_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_provisional_block_hash CHECK (length(hash) = 32),
    CONSTRAINT ck_provisional_block_parent_hash CHECK (length(parent_hash) = 32),
    CONSTRAINT ck_provisional_block_accounts CHECK (length(accounts) = 32)
);

CREATE TABLE time_mark (
    chain_id TEXT NOT NULL,
    time BIGINT NOT NULL,
    first_block BIGINT,
    CONSTRAINT pk_time_mark PRIMARY KEY (chain_id, time),
    CONSTRAINT ck_time_mark_time CHECK (time >= 0),
    CONSTRAINT ck_time_mark_first_block CHECK (first_block >= 0),
    CONSTRAINT fk_time_mark_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id)
);

CREATE TABLE token (
    chain_id TEXT NOT NULL,
    contract BYTEA NOT NULL,
    symbol TEXT,
    decimals INTEGER,
    read_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_token PRIMARY KEY (chain_id, contract),
    CONSTRAINT ck_token_decimals CHECK (decimals BETWEEN 0 AND 77),
    CONSTRAINT fk_token_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_token_contract CHECK (length(contract) = 20)
);

CREATE TABLE watch (
    chain_id TEXT NOT NULL,
    address BYTEA NOT NULL,
    since_time BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_watch PRIMARY KEY (chain_id, address),
    CONSTRAINT ck_watch_since_time CHECK (since_time >= 0),
    CONSTRAINT fk_watch_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_watch_address CHECK (length(address) = 20)
);

CREATE TABLE account_binding (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    party_id TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    address BYTEA NOT NULL,
    basis TEXT NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE,
    valid_until TIMESTAMP WITH TIME ZONE,
    note TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_account_binding PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_account_binding_tenant_id_party_id_party FOREIGN KEY(tenant_id, party_id) REFERENCES party (tenant_id, id),
    CONSTRAINT ck_account_binding_basis CHECK (basis IN ('contract', 'signature', 'admission', 'claimed', 'inference')),
    CONSTRAINT ck_account_binding_valid_until CHECK (valid_from <= valid_until),
    CONSTRAINT ck_account_binding_note CHECK (length(note) <= 10000),
    CONSTRAINT fk_account_binding_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_account_binding_address CHECK (length(address) = 20)
);
CREATE INDEX ix_account_binding_tenant_id_chain_id_address ON account_binding (tenant_id, chain_id, address);
CREATE INDEX ix_account_binding_tenant_id_party_id ON account_binding (tenant_id, party_id);
ALTER TABLE account_binding ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_binding FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON account_binding USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE account_set_member (
    chain_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    address BYTEA NOT NULL,
    CONSTRAINT pk_account_set_member PRIMARY KEY (chain_id, digest, address),
    CONSTRAINT fk_account_set_member_chain_id_digest_account_set FOREIGN KEY(chain_id, digest) REFERENCES account_set (chain_id, digest),
    CONSTRAINT ck_account_set_member_digest CHECK (length(digest) = 32),
    CONSTRAINT ck_account_set_member_address CHECK (length(address) = 20)
);
CREATE INDEX ix_account_set_member_chain_id_address ON account_set_member (chain_id, address);

CREATE TABLE coverage (
    id TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    accounts BYTEA NOT NULL,
    kind TEXT NOT NULL,
    method TEXT NOT NULL,
    first_block BIGINT NOT NULL,
    first_hash BYTEA NOT NULL,
    last_block BIGINT NOT NULL,
    last_hash BYTEA NOT NULL,
    nodes TEXT NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answers TEXT NOT NULL,
    blocks_checked BIGINT NOT NULL,
    limits TEXT NOT NULL,
    CONSTRAINT pk_coverage PRIMARY KEY (id),
    CONSTRAINT fk_coverage_chain_id_accounts_account_set FOREIGN KEY(chain_id, accounts) REFERENCES account_set (chain_id, digest),
    CONSTRAINT fk_coverage_chain_id_first_hash_block FOREIGN KEY(chain_id, first_hash) REFERENCES block (chain_id, hash),
    CONSTRAINT fk_coverage_chain_id_last_hash_block FOREIGN KEY(chain_id, last_hash) REFERENCES block (chain_id, hash),
    CONSTRAINT ck_coverage_first_block CHECK (first_block >= 0),
    CONSTRAINT ck_coverage_last_block CHECK (last_block >= first_block),
    CONSTRAINT ck_coverage_blocks_checked CHECK (blocks_checked >= 0),
    CONSTRAINT ck_coverage_kind CHECK (kind IN ('erc20', 'native')),
    CONSTRAINT ck_coverage_accounts CHECK (length(accounts) = 32),
    CONSTRAINT ck_coverage_first_hash CHECK (length(first_hash) = 32),
    CONSTRAINT ck_coverage_last_hash CHECK (length(last_hash) = 32)
);
CREATE INDEX ix_coverage_chain_id_accounts_kind_first_block ON coverage (chain_id, accounts, kind, first_block);

CREATE TABLE covered_range (
    chain_id TEXT NOT NULL,
    accounts BYTEA NOT NULL,
    kind TEXT NOT NULL,
    first_block BIGINT NOT NULL,
    last_block BIGINT NOT NULL,
    CONSTRAINT pk_covered_range PRIMARY KEY (chain_id, accounts, kind, first_block),
    CONSTRAINT fk_covered_range_chain_id_accounts_account_set FOREIGN KEY(chain_id, accounts) REFERENCES account_set (chain_id, digest),
    CONSTRAINT ck_covered_range_first_block CHECK (first_block >= 0),
    CONSTRAINT ck_covered_range_last_block CHECK (last_block >= first_block),
    CONSTRAINT ck_covered_range_kind CHECK (kind IN ('erc20', 'native')),
    CONSTRAINT ck_covered_range_accounts CHECK (length(accounts) = 32)
);

CREATE TABLE debt (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    reference TEXT NOT NULL,
    creditor_id TEXT NOT NULL,
    debtor_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    asset_id TEXT NOT NULL,
    principal_units NUMERIC(78, 0) NOT NULL,
    agreed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    time_zone TEXT NOT NULL,
    calendar TEXT,
    grace_days INTEGER NOT NULL,
    tolerance_units NUMERIC(78, 0) NOT NULL,
    allocation_rule TEXT,
    governing_law TEXT,
    consumer BOOLEAN NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_debt PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_debt_tenant_id_creditor_id_party FOREIGN KEY(tenant_id, creditor_id) REFERENCES party (tenant_id, id),
    CONSTRAINT fk_debt_tenant_id_debtor_id_party FOREIGN KEY(tenant_id, debtor_id) REFERENCES party (tenant_id, id),
    CONSTRAINT uq_debt_tenant_id_reference UNIQUE (tenant_id, reference),
    CONSTRAINT ck_debt_reference CHECK (length(reference) BETWEEN 1 AND 200),
    CONSTRAINT ck_debt_parties CHECK (creditor_id <> debtor_id),
    CONSTRAINT ck_debt_kind CHECK (kind IN ('loan', 'sale', 'service', 'other')),
    CONSTRAINT ck_debt_time_zone CHECK (length(time_zone) BETWEEN 1 AND 100),
    CONSTRAINT ck_debt_grace_days CHECK (grace_days >= 0),
    CONSTRAINT ck_debt_tolerance CHECK (tolerance_units <= principal_units),
    CONSTRAINT fk_debt_asset_id_asset FOREIGN KEY(asset_id) REFERENCES asset (id),
    CONSTRAINT ck_debt_principal_units CHECK (principal_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935),
    CONSTRAINT ck_debt_tolerance_units CHECK (tolerance_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
CREATE INDEX ix_debt_tenant_id_creditor_id ON debt (tenant_id, creditor_id);
CREATE INDEX ix_debt_tenant_id_debtor_id ON debt (tenant_id, debtor_id);
ALTER TABLE debt ENABLE ROW LEVEL SECURITY;
ALTER TABLE debt FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON debt USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE disagreement_answer (
    disagreement_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    node TEXT NOT NULL,
    method TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    size BIGINT NOT NULL,
    request BYTEA,
    body BYTEA,
    CONSTRAINT pk_disagreement_answer PRIMARY KEY (disagreement_id, position),
    CONSTRAINT ck_disagreement_answer_position CHECK (position >= 0),
    CONSTRAINT ck_disagreement_answer_size CHECK (size >= 0),
    CONSTRAINT fk_disagreement_answer_disagreement_id_disagreement FOREIGN KEY(disagreement_id) REFERENCES disagreement (id),
    CONSTRAINT ck_disagreement_answer_sha256 CHECK (length(sha256) = 32)
);

CREATE TABLE job_step (
    tenant_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    step TEXT NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_job_step PRIMARY KEY (tenant_id, job_id, step),
    CONSTRAINT fk_job_step_tenant_id_job_id_job FOREIGN KEY(tenant_id, job_id) REFERENCES job (tenant_id, id),
    CONSTRAINT ck_job_step_step CHECK (length(step) BETWEEN 1 AND 200)
);
ALTER TABLE job_step ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_step FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON job_step USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE native_transfer (
    chain_id TEXT NOT NULL,
    block_hash BYTEA NOT NULL,
    tx_index INTEGER NOT NULL,
    position BYTEA NOT NULL,
    block_number BIGINT NOT NULL,
    block_time BIGINT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    tx_hash BYTEA,
    trace_path TEXT NOT NULL,
    kind TEXT NOT NULL,
    sender BYTEA,
    recipient BYTEA,
    amount_units NUMERIC(78, 0) NOT NULL,
    method TEXT NOT NULL,
    CONSTRAINT pk_native_transfer PRIMARY KEY (chain_id, block_hash, tx_index, position),
    CONSTRAINT fk_native_transfer_chain_id_block_hash_block FOREIGN KEY(chain_id, block_hash) REFERENCES block (chain_id, hash),
    CONSTRAINT ck_native_transfer_block_number CHECK (block_number >= 0),
    CONSTRAINT ck_native_transfer_block_time CHECK (block_time >= 0),
    CONSTRAINT ck_native_transfer_tx_index CHECK (tx_index >= 0),
    CONSTRAINT ck_native_transfer_kind CHECK (kind IN ('call', 'create', 'selfdestruct', 'withdrawal', 'reward', 'mint', 'balance')),
    CONSTRAINT ck_native_transfer_party CHECK (sender IS NOT NULL OR recipient IS NOT NULL),
    CONSTRAINT ck_native_transfer_block_hash CHECK (length(block_hash) = 32),
    CONSTRAINT ck_native_transfer_tx_hash CHECK (length(tx_hash) = 32),
    CONSTRAINT ck_native_transfer_sender CHECK (length(sender) = 20),
    CONSTRAINT ck_native_transfer_recipient CHECK (length(recipient) = 20),
    CONSTRAINT ck_native_transfer_amount_units CHECK (amount_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
CREATE INDEX ix_native_transfer_chain_id_recipient_block_number ON native_transfer (chain_id, recipient, block_number);
CREATE INDEX ix_native_transfer_chain_id_sender_block_number ON native_transfer (chain_id, sender, block_number);

CREATE TABLE node_reading (
    node_id TEXT NOT NULL,
    client_version TEXT,
    range_blocks INTEGER,
    range_ceiling INTEGER,
    CONSTRAINT pk_node_reading PRIMARY KEY (node_id),
    CONSTRAINT ck_node_reading_range_blocks CHECK (range_blocks >= 1),
    CONSTRAINT ck_node_reading_range_ceiling CHECK (range_ceiling >= 1),
    CONSTRAINT fk_node_reading_node_id_chain_node FOREIGN KEY(node_id) REFERENCES chain_node (id)
);

CREATE TABLE other_log (
    chain_id TEXT NOT NULL,
    block_hash BYTEA NOT NULL,
    log_index INTEGER NOT NULL,
    block_number BIGINT NOT NULL,
    tx_hash BYTEA NOT NULL,
    contract BYTEA NOT NULL,
    kind TEXT NOT NULL,
    sender BYTEA,
    recipient BYTEA,
    amount_units NUMERIC(78, 0),
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_other_log PRIMARY KEY (chain_id, block_hash, log_index),
    CONSTRAINT fk_other_log_chain_id_block_hash_block FOREIGN KEY(chain_id, block_hash) REFERENCES block (chain_id, hash),
    CONSTRAINT ck_other_log_log_index CHECK (log_index >= 0),
    CONSTRAINT ck_other_log_block_number CHECK (block_number >= 0),
    CONSTRAINT ck_other_log_kind CHECK (length(kind) BETWEEN 1 AND 40),
    CONSTRAINT ck_other_log_block_hash CHECK (length(block_hash) = 32),
    CONSTRAINT ck_other_log_tx_hash CHECK (length(tx_hash) = 32),
    CONSTRAINT ck_other_log_contract CHECK (length(contract) = 20),
    CONSTRAINT ck_other_log_sender CHECK (length(sender) = 20),
    CONSTRAINT ck_other_log_recipient CHECK (length(recipient) = 20),
    CONSTRAINT ck_other_log_amount_units CHECK (amount_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
CREATE INDEX ix_other_log_chain_id_recipient_block_number ON other_log (chain_id, recipient, block_number);

CREATE TABLE provisional_transfer (
    chain_id TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    log_index INTEGER NOT NULL,
    tx_hash BYTEA NOT NULL,
    contract BYTEA NOT NULL,
    sender BYTEA NOT NULL,
    recipient BYTEA NOT NULL,
    amount_units NUMERIC(78, 0) NOT NULL,
    CONSTRAINT pk_provisional_transfer PRIMARY KEY (chain_id, block_number, log_index),
    CONSTRAINT fk_provisional_transfer_chain_id_block_number_provisional_block FOREIGN KEY(chain_id, block_number) REFERENCES provisional_block (chain_id, number),
    CONSTRAINT ck_provisional_transfer_log_index CHECK (log_index >= 0),
    CONSTRAINT ck_provisional_transfer_tx_hash CHECK (length(tx_hash) = 32),
    CONSTRAINT ck_provisional_transfer_contract CHECK (length(contract) = 20),
    CONSTRAINT ck_provisional_transfer_sender CHECK (length(sender) = 20),
    CONSTRAINT ck_provisional_transfer_recipient CHECK (length(recipient) = 20),
    CONSTRAINT ck_provisional_transfer_amount_units CHECK (amount_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);

CREATE TABLE tender (
    chain_id TEXT NOT NULL,
    block_hash BYTEA NOT NULL,
    tx_hash BYTEA NOT NULL,
    kind TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_time BIGINT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    tx_index INTEGER NOT NULL,
    sender BYTEA NOT NULL,
    called BYTEA NOT NULL,
    asset_contract BYTEA,
    recipient BYTEA NOT NULL,
    amount_units NUMERIC(78, 0) NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT pk_tender PRIMARY KEY (chain_id, block_hash, tx_hash, kind),
    CONSTRAINT fk_tender_chain_id_block_hash_block FOREIGN KEY(chain_id, block_hash) REFERENCES block (chain_id, hash),
    CONSTRAINT ck_tender_block_number CHECK (block_number >= 0),
    CONSTRAINT ck_tender_block_time CHECK (block_time >= 0),
    CONSTRAINT ck_tender_tx_index CHECK (tx_index >= 0),
    CONSTRAINT ck_tender_kind CHECK (kind IN ('value', 'erc20-transfer')),
    CONSTRAINT ck_tender_token CHECK ((kind = 'erc20-transfer') = (asset_contract IS NOT NULL)),
    CONSTRAINT ck_tender_reason CHECK (length(reason) BETWEEN 1 AND 200),
    CONSTRAINT ck_tender_block_hash CHECK (length(block_hash) = 32),
    CONSTRAINT ck_tender_tx_hash CHECK (length(tx_hash) = 32),
    CONSTRAINT ck_tender_sender CHECK (length(sender) = 20),
    CONSTRAINT ck_tender_called CHECK (length(called) = 20),
    CONSTRAINT ck_tender_asset_contract CHECK (length(asset_contract) = 20),
    CONSTRAINT ck_tender_recipient CHECK (length(recipient) = 20),
    CONSTRAINT ck_tender_amount_units CHECK (amount_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
CREATE INDEX ix_tender_chain_id_recipient_block_number ON tender (chain_id, recipient, block_number);
CREATE INDEX ix_tender_chain_id_sender_block_number ON tender (chain_id, sender, block_number);

CREATE TABLE accepted_asset (
    tenant_id TEXT NOT NULL,
    debt_id TEXT NOT NULL,
    asset_id TEXT NOT NULL,
    CONSTRAINT pk_accepted_asset PRIMARY KEY (tenant_id, debt_id, asset_id),
    CONSTRAINT fk_accepted_asset_tenant_id_debt_id_debt FOREIGN KEY(tenant_id, debt_id) REFERENCES debt (tenant_id, id),
    CONSTRAINT fk_accepted_asset_asset_id_asset FOREIGN KEY(asset_id) REFERENCES asset (id)
);
ALTER TABLE accepted_asset ENABLE ROW LEVEL SECURITY;
ALTER TABLE accepted_asset FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON accepted_asset USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE assessment_snapshot (
    tenant_id TEXT NOT NULL,
    debt_id TEXT NOT NULL,
    known_at TIMESTAMP WITH TIME ZONE NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    result TEXT NOT NULL,
    timing TEXT NOT NULL,
    not_covered_min_units NUMERIC(78, 0),
    not_covered_max_units NUMERIC(78, 0),
    CONSTRAINT pk_assessment_snapshot PRIMARY KEY (tenant_id, debt_id, known_at),
    CONSTRAINT fk_assessment_snapshot_tenant_id_debt_id_debt FOREIGN KEY(tenant_id, debt_id) REFERENCES debt (tenant_id, id),
    CONSTRAINT ck_assessment_snapshot_result CHECK (result IN ('FULL', 'PARTIAL', 'NONE_FOUND_IN_SCOPE', 'UNDETERMINED')),
    CONSTRAINT ck_assessment_snapshot_timing CHECK (timing IN ('ON_TIME', 'NOT_YET_DUE', 'LATE', 'OVERDUE', 'UNDETERMINED')),
    CONSTRAINT ck_assessment_snapshot_not_covered_min_units CHECK (not_covered_min_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935),
    CONSTRAINT ck_assessment_snapshot_not_covered_max_units CHECK (not_covered_max_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
ALTER TABLE assessment_snapshot ENABLE ROW LEVEL SECURITY;
ALTER TABLE assessment_snapshot FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON assessment_snapshot USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE debt_account (
    tenant_id TEXT NOT NULL,
    debt_id TEXT NOT NULL,
    role TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    address BYTEA NOT NULL,
    CONSTRAINT pk_debt_account PRIMARY KEY (tenant_id, debt_id, role, chain_id, address),
    CONSTRAINT fk_debt_account_tenant_id_debt_id_debt FOREIGN KEY(tenant_id, debt_id) REFERENCES debt (tenant_id, id),
    CONSTRAINT ck_debt_account_role CHECK (role IN ('pay_to')),
    CONSTRAINT fk_debt_account_chain_id_chain FOREIGN KEY(chain_id) REFERENCES chain (id),
    CONSTRAINT ck_debt_account_address CHECK (length(address) = 20)
);
ALTER TABLE debt_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE debt_account FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON debt_account USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE debt_event (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    debt_id TEXT NOT NULL,
    type TEXT NOT NULL,
    effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
    amount_units NUMERIC(78, 0),
    note TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_debt_event PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_debt_event_tenant_id_debt_id_debt FOREIGN KEY(tenant_id, debt_id) REFERENCES debt (tenant_id, id),
    CONSTRAINT ck_debt_event_type CHECK (type IN ('extension', 'dispute', 'performed', 'set_off', 'deposited', 'released', 'merged', 'novated', 'assigned', 'tendered', 'payment_direction', 'creditor_delay', 'time_bar_raised', 'void_alleged', 'insolvency_stay', 'adjudicated', 'written_off', 'cost', 'correction')),
    CONSTRAINT ck_debt_event_note CHECK (length(note) <= 10000),
    CONSTRAINT ck_debt_event_recorded_by CHECK (length(recorded_by) BETWEEN 1 AND 200),
    CONSTRAINT ck_debt_event_amount_units CHECK (amount_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
CREATE INDEX ix_debt_event_tenant_id_debt_id_effective_at ON debt_event (tenant_id, debt_id, effective_at);
ALTER TABLE debt_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE debt_event FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON debt_event USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE disbursement (
    tenant_id TEXT NOT NULL,
    debt_id TEXT NOT NULL,
    transfer_id TEXT NOT NULL,
    CONSTRAINT pk_disbursement PRIMARY KEY (tenant_id, debt_id, transfer_id),
    CONSTRAINT fk_disbursement_tenant_id_debt_id_debt FOREIGN KEY(tenant_id, debt_id) REFERENCES debt (tenant_id, id),
    CONSTRAINT ck_disbursement_transfer_id CHECK (transfer_id = lower(transfer_id))
);
ALTER TABLE disbursement ENABLE ROW LEVEL SECURITY;
ALTER TABLE disbursement FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON disbursement USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE evidence (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    debt_id TEXT NOT NULL,
    state TEXT NOT NULL,
    step TEXT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE,
    known_at TIMESTAMP WITH TIME ZONE,
    requested_grade TEXT,
    allow_lower BOOLEAN NOT NULL,
    languages TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE,
    failure TEXT,
    result TEXT,
    timing TEXT,
    grade TEXT,
    tie TEXT,
    root BYTEA,
    sha256 BYTEA,
    size BIGINT,
    anchor TEXT,
    claims TEXT,
    path TEXT,
    supersedes TEXT,
    CONSTRAINT pk_evidence PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_evidence_tenant_id_debt_id_debt FOREIGN KEY(tenant_id, debt_id) REFERENCES debt (tenant_id, id),
    CONSTRAINT fk_evidence_tenant_id_supersedes_evidence FOREIGN KEY(tenant_id, supersedes) REFERENCES evidence (tenant_id, id),
    CONSTRAINT ck_evidence_state CHECK (state IN ('queued', 'running', 'waiting_for_timestamp', 'sealed', 'failed', 'cancelled')),
    CONSTRAINT ck_evidence_done CHECK (done >= 0),
    CONSTRAINT ck_evidence_total CHECK (total >= done),
    CONSTRAINT ck_evidence_requested_grade CHECK (requested_grade IN ('events-complete', 'sender-complete', 'balances-explained', 'provider-reported')),
    CONSTRAINT ck_evidence_result CHECK (result IN ('FULL', 'NONE_FOUND_IN_SCOPE', 'PARTIAL', 'UNDETERMINED')),
    CONSTRAINT ck_evidence_timing CHECK (timing IN ('NOT_YET_DUE', 'ON_TIME', 'LATE', 'OVERDUE', 'UNDETERMINED')),
    CONSTRAINT ck_evidence_grade CHECK (grade IN ('events-complete', 'sender-complete', 'balances-explained', 'provider-reported')),
    CONSTRAINT ck_evidence_tie CHECK (tie IN ('contract', 'signature', 'admission', 'claimed', 'inference')),
    CONSTRAINT ck_evidence_size CHECK (size >= 0),
    CONSTRAINT ck_evidence_sealed CHECK (state <> 'sealed' OR (sealed_at IS NOT NULL AND result IS NOT NULL AND root IS NOT NULL AND sha256 IS NOT NULL AND size IS NOT NULL AND path IS NOT NULL)),
    CONSTRAINT ck_evidence_failure CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT ck_evidence_root CHECK (length(root) = 32),
    CONSTRAINT ck_evidence_sha256 CHECK (length(sha256) = 32)
);
CREATE INDEX ix_evidence_state_created_at ON evidence (state, created_at);
CREATE INDEX ix_evidence_tenant_id_debt_id_created_at ON evidence (tenant_id, debt_id, created_at);
ALTER TABLE evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON evidence USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));

CREATE TABLE installment (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    debt_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_on TEXT,
    amount_units NUMERIC(78, 0) NOT NULL,
    CONSTRAINT pk_installment PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_installment_tenant_id_debt_id_debt FOREIGN KEY(tenant_id, debt_id) REFERENCES debt (tenant_id, id),
    CONSTRAINT uq_installment_tenant_id_debt_id_position UNIQUE (tenant_id, debt_id, position),
    CONSTRAINT ck_installment_position CHECK (position >= 1),
    CONSTRAINT ck_installment_due_on CHECK (length(due_on) = 10),
    CONSTRAINT ck_installment_amount_units CHECK (amount_units BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935)
);
ALTER TABLE installment ENABLE ROW LEVEL SECURITY;
ALTER TABLE installment FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON installment USING (tenant_id = nullif(current_setting('app.tenant', true), '')) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), ''));
