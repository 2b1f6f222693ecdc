// Starts Swagger UI on /docs and lets it follow the light or dark setting of the system.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Swagger UI's own layout without its main landmark, as the page has one, and no links inside of buttons.
const inOurPage = ({ React: { createElement: h } }) => ({
  components: {
    PictorLayout({ getComponent, specSelectors }) {
      if (specSelectors.loadingStatus() !== "success") return h(getComponent("BaseLayout", true));
      const [Row, Col] = [getComponent("Row"), getComponent("Col")];
      const row = (name, about) => h(Row, about, h(Col, { mobile: 12, desktop: 12 }, h(getComponent(name, true))));
      return h("div", { className: "swagger-ui" },
        h(getComponent("SvgAssets")),
        h(getComponent("errors", true)),
        row("InfoContainer", { className: "information-container" }),
        specSelectors.securityDefinitions() && h("div", { className: "scheme-container" },
          h(Col, { className: "schemes wrapper", mobile: 12 }, h(getComponent("AuthorizeBtnContainer", true)))),
        row("operations"),
        row("Models"));
    },
  },
  wrapComponents: { DeepLink: () => ({ text }) => h("span", null, text) },
});

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "PictorLayout",
  deepLinking: true,
  validatorUrl: null,
  plugins: [inOurPage],
});
