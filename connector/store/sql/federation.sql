-- The index of all known catalogs. An entry is visible while born <= generation < died of its catalog (view current_entry).

-- name: member
SELECT participant, generation, digest, entries, status, reason, detail, fetched_us, failing_us, failures, emptied, next_us
FROM member_catalog WHERE participant = :participant

-- name: members
SELECT participant, generation, digest, entries, status, reason, detail, fetched_us, failing_us, failures, emptied, next_us
FROM member_catalog ORDER BY participant

-- name: add_member
INSERT INTO member_catalog (participant, generation, digest, entries, status, reason, detail, fetched_us, failing_us,
                            failures, emptied, next_us)
VALUES (:participant, 0, '', 0, :status, '', '', 0, 0, 0, 0, 0)
ON CONFLICT (participant) DO NOTHING

-- name: switch
-- The one step by which a crawl becomes visible.
UPDATE member_catalog SET
    generation = :generation, digest = :digest, entries = :entries, status = :status, reason = :reason, detail = :detail,
    fetched_us = :fetched_us, failing_us = 0, failures = 0, emptied = 0, next_us = :next_us
WHERE participant = :participant

-- name: failed
UPDATE member_catalog SET
    status = 'failed', reason = :reason, detail = :detail, failures = failures + 1, next_us = :next_us,
    failing_us = CASE WHEN failing_us = 0 THEN :at_us ELSE failing_us END
WHERE participant = :participant

-- name: emptied
UPDATE member_catalog SET emptied = 1, next_us = :next_us WHERE participant = :participant

-- name: due
UPDATE member_catalog SET next_us = :next_us WHERE participant = :participant

-- name: hide
-- A participant that left the space: nothing of it is found any more; its entries are deleted in small pieces afterwards.
UPDATE member_catalog SET generation = -1 WHERE participant = :participant

-- name: remove_member
DELETE FROM member_catalog WHERE participant = :participant

-- name: last_number
SELECT coalesce(max(number), 0) AS number FROM entry

-- name: newest
-- The entry of a dataset that counts, or is being written for the next generation. The plus keeps the seek on entry_place.
SELECT number, digest, born FROM entry
WHERE participant = :participant AND owner = :owner AND dataset = :dataset AND +died > :next
ORDER BY born DESC LIMIT 1

-- name: keys
-- What a generation holds, in order of (owner, dataset), for finding what a crawl has not seen.
SELECT number, owner, dataset FROM entry
WHERE participant = :participant AND (owner, dataset) > (:owner, :dataset) AND +born <= :generation AND +died > :next
ORDER BY owner, dataset LIMIT :limit

-- name: retire
UPDATE entry SET died = :died WHERE number = :number

-- name: unfinished
-- Left by a crawl that did not end: written for a generation that never came, or retired for it.
SELECT number, born FROM entry
WHERE participant = :participant AND (born > :generation OR died = :generation + 1) LIMIT :limit

-- name: dead
SELECT number FROM entry WHERE participant = :participant AND died <= :generation LIMIT :limit

-- name: any_entry
SELECT number FROM entry WHERE participant = :participant LIMIT :limit

-- name: put_entry
INSERT INTO entry (number, participant, owner, dataset, born, died, digest, modified_us, grade, scenario, title_folded,
                   folded, document_json)
VALUES (:number, :participant, :owner, :dataset, :born, 9223372036854775807, :digest, :modified_us, :grade, :scenario,
        :title, :text, :document)

-- name: put_keyword
INSERT INTO entry_keyword (entry, keyword) VALUES (:entry, :keyword) ON CONFLICT (entry, keyword) DO NOTHING

-- name: put_price
INSERT INTO entry_price (entry, kind) VALUES (:entry, :kind) ON CONFLICT (entry, kind) DO NOTHING

-- name: put_derivation
INSERT INTO entry_derivation (owner, dataset, entry, agreement) VALUES (:owner, :dataset, :entry, :agreement)
ON CONFLICT (owner, dataset, entry) DO NOTHING

-- name: put_words
INSERT INTO entry_words (rowid, text) VALUES (:number, :text)

-- name: put_trigrams
INSERT INTO entry_trigrams (rowid, text) VALUES (:number, :text)

-- name: delete_entry
DELETE FROM entry WHERE number = :number

-- name: delete_keywords
DELETE FROM entry_keyword WHERE entry = :number

-- name: delete_prices
DELETE FROM entry_price WHERE entry = :number

-- name: delete_derivations
DELETE FROM entry_derivation WHERE entry = :number

-- name: put_content
INSERT INTO entry_content (sha256, entry) VALUES (:sha256, :entry)

-- name: delete_content
DELETE FROM entry_content WHERE entry = :number

-- name: delete_words
DELETE FROM entry_words WHERE rowid = :number

-- name: delete_trigrams
DELETE FROM entry_trigrams WHERE rowid = :number

-- name: at
SELECT participant, owner, dataset, document_json, status, reason, fetched_us, failing_us FROM current_entry
WHERE participant = :participant AND owner = :owner AND dataset = :dataset

-- name: shown
SELECT participant, owner, dataset, document_json, status, reason, fetched_us, failing_us FROM current_entry
WHERE number = :number

-- name: providers
-- In whose catalogs a dataset of this id stands as their own.
SELECT e.participant FROM current_entry AS e
WHERE e.dataset = :dataset AND e.owner = e.participant ORDER BY e.participant LIMIT :limit

-- name: derived
-- Datasets of any catalog that say they were derived from this one.
SELECT e.participant, e.owner, e.dataset, e.document_json, e.status, e.reason, e.fetched_us, e.failing_us
FROM entry_derivation AS x JOIN current_entry AS e ON e.number = x.entry
WHERE x.owner = :owner AND x.dataset = :dataset
ORDER BY e.participant, e.owner, e.dataset LIMIT :limit

-- name: find
-- Every term is looked for as a substring: this alone decides. The two statements below only narrow what is looked at.
-- They return numbers, so that what is sorted stays narrow. A term that is not used is '', which everything contains.
SELECT e.number FROM current_entry AS e
WHERE instr(e.folded, :t1) > 0 AND instr(e.folded, :t2) > 0 AND instr(e.folded, :t3) > 0 AND instr(e.folded, :t4) > 0
  AND instr(e.folded, :t5) > 0 AND instr(e.folded, :t6) > 0 AND instr(e.folded, :t7) > 0 AND instr(e.folded, :t8) > 0
  AND (:owner = '' OR e.owner = :owner)
  AND (:own = 1 OR e.status <> 'own')
  AND (:grade = '' OR e.grade = :grade)
  AND (:scenario = '' OR e.scenario = :scenario)
  AND (:keyword = '' OR EXISTS (SELECT 1 FROM entry_keyword AS k WHERE k.entry = e.number AND k.keyword = :keyword))
  AND (:price_kind = '' OR EXISTS (SELECT 1 FROM entry_price AS p WHERE p.entry = e.number AND p.kind = :price_kind))
ORDER BY CASE WHEN instr(e.title_folded, :t1) > 0 AND instr(e.title_folded, :t2) > 0 AND instr(e.title_folded, :t3) > 0 AND instr(e.title_folded, :t4) > 0
                   AND instr(e.title_folded, :t5) > 0 AND instr(e.title_folded, :t6) > 0 AND instr(e.title_folded, :t7) > 0 AND instr(e.title_folded, :t8) > 0
              THEN 0 ELSE 1 END,
         e.modified_us DESC, e.owner, e.dataset
LIMIT :limit

-- name: find_words
SELECT e.number FROM current_entry AS e
WHERE e.number IN (SELECT rowid FROM entry_words WHERE entry_words MATCH :match)
  AND instr(e.folded, :t1) > 0 AND instr(e.folded, :t2) > 0 AND instr(e.folded, :t3) > 0 AND instr(e.folded, :t4) > 0
  AND instr(e.folded, :t5) > 0 AND instr(e.folded, :t6) > 0 AND instr(e.folded, :t7) > 0 AND instr(e.folded, :t8) > 0
  AND (:owner = '' OR e.owner = :owner)
  AND (:own = 1 OR e.status <> 'own')
  AND (:grade = '' OR e.grade = :grade)
  AND (:scenario = '' OR e.scenario = :scenario)
  AND (:keyword = '' OR EXISTS (SELECT 1 FROM entry_keyword AS k WHERE k.entry = e.number AND k.keyword = :keyword))
  AND (:price_kind = '' OR EXISTS (SELECT 1 FROM entry_price AS p WHERE p.entry = e.number AND p.kind = :price_kind))
ORDER BY CASE WHEN instr(e.title_folded, :t1) > 0 AND instr(e.title_folded, :t2) > 0 AND instr(e.title_folded, :t3) > 0 AND instr(e.title_folded, :t4) > 0
                   AND instr(e.title_folded, :t5) > 0 AND instr(e.title_folded, :t6) > 0 AND instr(e.title_folded, :t7) > 0 AND instr(e.title_folded, :t8) > 0
              THEN 0 ELSE 1 END,
         e.modified_us DESC, e.owner, e.dataset
LIMIT :limit

-- name: find_trigrams
SELECT e.number FROM current_entry AS e
WHERE e.number IN (SELECT rowid FROM entry_trigrams WHERE entry_trigrams MATCH :match)
  AND instr(e.folded, :t1) > 0 AND instr(e.folded, :t2) > 0 AND instr(e.folded, :t3) > 0 AND instr(e.folded, :t4) > 0
  AND instr(e.folded, :t5) > 0 AND instr(e.folded, :t6) > 0 AND instr(e.folded, :t7) > 0 AND instr(e.folded, :t8) > 0
  AND (:owner = '' OR e.owner = :owner)
  AND (:own = 1 OR e.status <> 'own')
  AND (:grade = '' OR e.grade = :grade)
  AND (:scenario = '' OR e.scenario = :scenario)
  AND (:keyword = '' OR EXISTS (SELECT 1 FROM entry_keyword AS k WHERE k.entry = e.number AND k.keyword = :keyword))
  AND (:price_kind = '' OR EXISTS (SELECT 1 FROM entry_price AS p WHERE p.entry = e.number AND p.kind = :price_kind))
ORDER BY CASE WHEN instr(e.title_folded, :t1) > 0 AND instr(e.title_folded, :t2) > 0 AND instr(e.title_folded, :t3) > 0 AND instr(e.title_folded, :t4) > 0
                   AND instr(e.title_folded, :t5) > 0 AND instr(e.title_folded, :t6) > 0 AND instr(e.title_folded, :t7) > 0 AND instr(e.title_folded, :t8) > 0
              THEN 0 ELSE 1 END,
         e.modified_us DESC, e.owner, e.dataset
LIMIT :limit

-- name: search_version
SELECT coalesce(max(cut), 0) AS cut FROM search_version

-- name: set_search_version
INSERT INTO search_version (cut) VALUES (:cut)

-- name: for_reindex
SELECT number, document_json FROM entry WHERE number > :after ORDER BY number LIMIT :limit

-- name: refold
UPDATE entry SET folded = :text, title_folded = :title WHERE number = :number
