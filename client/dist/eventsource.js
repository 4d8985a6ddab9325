/* Sluice eventsource 0.1.0 */
"use strict";(()=>{})();
