// Starts Swagger UI on /docs and lets it follow the light or dark setting of the system.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  validatorUrl: null,
  // The page has a main landmark already; Swagger UI brings another.
  onComplete: () => document.querySelector("#api main")?.setAttribute("role", "group"),
});
