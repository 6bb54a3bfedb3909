/** Names of what is served: chat in several protocols, each a surface of its own, and what is no chat. */

/** Chat surfaces, named after what their protocols call the endpoint. */
export type SurfaceName = "chat" | "completions" | "responses" | "messages" | "generate-content" | "converse" | "chat-v2";

/** Whose form an error takes: the surface that the path belongs to. */
export type ErrorForm = SurfaceName;
