import type * as Y from 'yjs'
import { openDocument, type DocumentState } from './document.ts'
import { readDocument, type DocumentContent } from './document-content.ts'

/** Documents kept hydrated, at most. */
const hotLimit = 4_096
/** Encoded bytes of them; hydrated they take some five times as much. */
const hotLimitBytes = 8 * 2 ** 20

interface Hot {
  state: DocumentState
  document: Y.Doc
  content: DocumentContent
}

/**
 * The documents changed last, kept hydrated. One is only ever used for exactly the state that it was kept for, so that
 * a commit that failed, or a merge that was refused half-way, leaves nothing behind.
 */
export class HotDocuments {
  /** Oldest first. */
  readonly #kept = new Map<string, Hot>()
  #bytes = 0

  /** The document in the given state, the caller's to change; it is given back by {@link put}, or lost. */
  take(uid: string, state: DocumentState | undefined): { document: Y.Doc; content: DocumentContent } {
    const hot = this.#kept.get(uid)
    if (hot) this.#drop(uid, hot)
    if (hot && hot.state === state) return hot
    const document = openDocument(state?.encoded)
    return { document, content: readDocument(uid, document) }
  }

  put(state: DocumentState, document: Y.Doc, content: DocumentContent): void {
    const former = this.#kept.get(state.uid)
    if (former) this.#drop(state.uid, former)
    this.#kept.set(state.uid, { state, document, content })
    this.#bytes += state.encoded.length
    for (const [uid, oldest] of this.#kept) {
      if (this.#kept.size <= hotLimit && this.#bytes <= hotLimitBytes) break
      this.#drop(uid, oldest)
    }
  }

  /** What a state says: at no cost while it is hot. */
  contentOf(state: DocumentState): DocumentContent {
    const hot = this.#kept.get(state.uid)
    return hot?.state === state ? hot.content : readDocument(state.uid, openDocument(state.encoded))
  }

  #drop(uid: string, hot: Hot): void {
    this.#kept.delete(uid)
    this.#bytes -= hot.state.encoded.length
  }
}
